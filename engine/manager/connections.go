package manager

import (
	"perigee/engine/broker"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

// Open implements broker.Handler, as Message and Closed do. All three block while the queue of the loop is full. After the
// loop has stopped they are no-ops.
func (m *Manager) Open(conn broker.Conn) {
	uuid := wire.NewID()
	_ = m.loop.Post("open", func() { m.open(conn, uuid) })
}

// Message implements broker.Handler.
func (m *Manager) Message(conn broker.Conn, text []byte) {
	in, turn := m.read(conn, text)
	_ = m.loop.Post(turn, func() { m.receive(in) })
}

// Closed implements broker.Handler. If the server has closed the connection, it has been removed already, and its close hook
// has run or is about to.
func (m *Manager) Closed(conn broker.Conn, why wire.Close, _ broker.End) {
	_ = m.loop.Post("close", func() {
		if c := m.hub.ByConn(conn); c != nil {
			c.Remove()
			m.closed(c, why.Reason)
		}
	})
}

// open adds a new connection and runs the open hook.
func (m *Manager) open(conn broker.Conn, uuid string) {
	c := m.hub.Add(conn, uuid)
	m.loop.As(c.Owner(), func() {
		g := m.generation.Load()
		if err := runCounted(g.metrics.onOpen, func() error { return g.application.OnOpen(c) }); err != nil {
			m.fail(g.number, "open", c, "", err)
		}
		m.hub.Flush()
	})
}

// closed runs the close hook for a connection that has been removed.
func (m *Manager) closed(c *hub.Connection, reason string) {
	m.loop.As(c.Owner(), func() {
		g := m.generation.Load()
		if err := runCounted(g.metrics.onClose, func() error { return g.application.OnClose(c, reason) }); err != nil {
			m.fail(g.number, "close", c, "", err)
		}
		m.hub.Flush()
	})
}
