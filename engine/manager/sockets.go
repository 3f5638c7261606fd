package manager

import (
	"perigee/engine/broker"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

// Open implements broker.Handler, as Message and Closed do. All three block while the loop has more to do than it can queue.
func (m *Manager) Open(c broker.Conn) {
	uuid := wire.NewID()
	m.post("open", func() { m.open(c, uuid) })
}

// Message implements broker.Handler.
func (m *Manager) Message(c broker.Conn, text []byte) {
	a, turn := m.read(c, text)
	m.post(turn, func() { m.receive(a) })
}

// Closed implements broker.Handler.
func (m *Manager) Closed(c broker.Conn, why wire.Close) {
	m.post("close", func() { m.leave(c, why) })
}

// post hands the loop a turn. One that a stopped loop refuses has nobody left to care.
func (m *Manager) post(turn string, run func()) { _ = m.loop.Post(turn, run) }

// open takes in a new connection and calls the open hook.
func (m *Manager) open(conn broker.Conn, uuid string) {
	c := m.hub.Add(conn, uuid)
	g := m.generation.Load()
	if err := measured(g.measures.open, func() error { return g.application.Open(c) }); err != nil {
		m.fail(g.number, "open", c, "", err)
	}
	m.settle()
}

// leave is called after a socket has closed. The close hook of one that the server closed has run, or is about to.
func (m *Manager) leave(conn broker.Conn, why wire.Close) {
	if c := m.hub.ByConn(conn); c != nil {
		c.Remove()
		m.closed(c, why.Reason)
	}
}

// closed calls the close hook for a connection that has left.
func (m *Manager) closed(c *hub.Connection, reason string) {
	g := m.generation.Load()
	if err := measured(g.measures.closed, func() error { return g.application.Closed(c, reason) }); err != nil {
		m.fail(g.number, "close", c, "", err)
	}
	m.settle()
}
