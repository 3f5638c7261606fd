package engine

import (
	"bytes"
	"context"
	"io"
)

// keepsConnections reports whether clients can come back to their connections after a restart.
func (s *Server) keepsConnections() bool {
	return s.config.State.File != "" && s.config.Resume.Restarts
}

// saveConnections keeps the connections that are away for the next server. It runs after the loop and the broker have ended. If it
// fails, their clients are new to the next server.
func (s *Server) saveConnections() {
	if !s.keepsConnections() {
		return
	}
	err := s.saver.SaveConnections(func(w io.Writer) {
		if err := s.manager.Save(w); err != nil {
			s.log.Warn("engine: fields of clients were not kept for the next server", "error", err)
		}
	})
	if err != nil {
		s.log.Error("engine: the connections could not be kept for the next server", "error", err)
	}
}

// restoreConnections takes over the connections of the server before, before clients can connect.
func (s *Server) restoreConnections(ctx context.Context) {
	text, err := s.saver.TakeConnections()
	if err == nil && text != nil && s.keepsConnections() {
		err = s.manager.Restore(ctx, bytes.NewReader(text), s.broker.Restore)
	}
	if err != nil {
		s.log.Error("engine: connections of the server before are lost, or parts of them", "error", err)
	}
}
