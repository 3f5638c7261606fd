package manager

import (
	"context"
	"io"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/manager/hub"
)

// BeginStop is called before the sockets are closed at the end of the server. If keep is set, connections that clients can resume
// stay open for the next server; otherwise they are closed like all others.
func (m *Manager) BeginStop(keep bool) {
	_ = m.loop.Post("stop", func() { m.hub.BeginStop(keep) }) // a stopped loop has closed everything
}

// SaveConnections writes the connections that are away, for the RestoreConnections of the next server. It is called after the loop and
// the broker have ended, as is SaveTopics. The error names fields that are left out.
func (m *Manager) SaveConnections(w io.Writer) error {
	return m.hub.SaveConnections(w, m.generation.Load().application)
}

// SaveTopics writes the topics that clients know and those that keep messages, for the RestoreTopics of the next server.
func (m *Manager) SaveTopics(w io.Writer) error { return m.hub.SaveTopics(w) }

// RestoreTopics has topics that the scripts register continue those that the previous server has saved. It is called before Install,
// and waits for its turn at most until ctx ends.
func (m *Manager) RestoreTopics(ctx context.Context, from io.Reader) error {
	return m.runTurn(ctx, "restore", func() error { return m.hub.RestoreTopics(from) })
}

// RestoreConnections adds the connections that the previous server has saved, which are away. It is called after Install and before the
// first connection, and waits for its turn at most until ctx ends. conn returns the socket, which is away, of a client that was sent
// that many frames, of which the last ones are unconfirmed. The error names what is left out.
func (m *Manager) RestoreConnections(ctx context.Context, from io.Reader,
	conn func(peer auth.Peer, opened time.Time, sent uint64, unconfirmed [][]byte) broker.Conn,
) error {
	return m.runTurn(ctx, "restore", func() error {
		defer m.hub.Flush()
		return m.hub.RestoreConnections(from, hub.RestoreOptions{Conn: conn, Values: m.generation.Load().application})
	})
}

// EndRestore is called after RestoreConnections, or if there are no connections to restore.
func (m *Manager) EndRestore(ctx context.Context) error {
	return m.runTurn(ctx, "restore", func() error {
		m.hub.EndRestore()
		return nil
	})
}
