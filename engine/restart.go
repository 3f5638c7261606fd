package engine

import (
	"bytes"
	"context"
	"io"

	"perigee/engine/persist"
)

// keepsConnections reports whether clients can come back to their connections after a restart.
func (s *Server) keepsConnections() bool {
	return s.config.State.File != "" && s.config.Resume.Restarts
}

// saveParts keeps the topics, and the connections that are away, for the next server. It runs after the loop and the broker have
// ended. If it fails, they are new to the next server.
func (s *Server) saveParts() {
	if s.config.State.File == "" {
		return
	}
	s.savePart(persist.Topics, s.manager.SaveTopics)
	if s.keepsConnections() {
		s.savePart(persist.Connections, s.manager.SaveConnections)
	}
}

func (s *Server) savePart(p persist.Part, write func(w io.Writer) error) {
	err := s.saver.SavePart(p, func(w io.Writer) {
		if err := write(w); err != nil {
			s.log.Warn("engine: not everything was kept for the next server", "file", p, "error", err)
		}
	})
	if err != nil {
		s.log.Error("engine: nothing was kept for the next server", "file", p, "error", err)
	}
}

// restoreTopics has the scripts, which have not booted yet, go on with the topics of the previous server.
func (s *Server) restoreTopics(ctx context.Context) {
	s.restorePart(persist.Topics, func(from io.Reader) error { return s.manager.RestoreTopics(ctx, from) })
}

// restoreConnections takes over the connections of the previous server, before clients can connect. Once the server has started, what
// the previous one has kept is out of date.
func (s *Server) restoreConnections(ctx context.Context) {
	if s.keepsConnections() {
		s.restorePart(persist.Connections, func(from io.Reader) error {
			return s.manager.RestoreConnections(ctx, from, s.broker.Restore)
		})
	}
	if err := s.manager.EndRestore(ctx); err != nil {
		s.log.Error("engine: the restart was not completed", "error", err)
	}
	for _, p := range []persist.Part{persist.Topics, persist.Connections} {
		if err := s.saver.RemovePart(p); err != nil {
			s.log.Error("engine: what the previous server has kept could not be removed", "error", err)
		}
	}
}

func (s *Server) restorePart(p persist.Part, read func(from io.Reader) error) {
	text, err := s.saver.ReadPart(p)
	if err == nil && text != nil {
		err = read(bytes.NewReader(text))
	}
	if err != nil {
		s.log.Error("engine: not everything of the previous server was restored", "file", p, "error", err)
	}
}
