package manager

import (
	"perigee/engine/broker"
	"perigee/engine/manager/crowd"
	"perigee/engine/wire"
)

// Open is Attach for the broker.
func (m *Manager) Open(c *broker.Conn) { m.Attach(c) }

// Message is Receive for the broker.
func (m *Manager) Message(c *broker.Conn, text []byte) { m.Receive(c, text) }

// Closed is Detach for the broker.
func (m *Manager) Closed(c *broker.Conn, why wire.Close) { m.Detach(c, why) }

// Attach takes in a connection. For one socket Attach comes first, then Receive any number of times, then Detach once.
// All three block while the loop has more to do than it can queue.
func (m *Manager) Attach(s crowd.Socket) {
	uuid := wire.NewID()
	m.post("open", func() { m.attach(s, uuid) })
}

// Receive takes a frame from a client. The text belongs to the manager from then on.
func (m *Manager) Receive(s crowd.Socket, text []byte) {
	a, turn := m.read(s, text)
	m.post(turn, func() { m.receive(a) })
}

// Detach is told that a socket is closed.
func (m *Manager) Detach(s crowd.Socket, why wire.Close) {
	m.post("close", func() { m.detach(s, why) })
}

// post hands the loop a turn. One that a stopped loop refuses has nobody left to care.
func (m *Manager) post(turn string, run func()) { _ = m.loop.Post(turn, run) }

// attach takes in a new connection and calls the open hook.
func (m *Manager) attach(s crowd.Socket, uuid string) {
	c := m.crowd.Add(s, uuid)
	g := m.generation.Load()
	if err := measured(g.measures.open, func() error { return g.application.Open(c) }); err != nil {
		m.fail(g.number, "open", c, "", err)
	}
	m.settle()
}

// detach is told that a socket is closed. The close hook of one that the server closed has run, or is about to.
func (m *Manager) detach(s crowd.Socket, why wire.Close) {
	if c := m.crowd.Of(s); c != nil {
		c.Leave()
		m.closed(c, why.Reason)
	}
}

// closed calls the close hook for a connection that has left.
func (m *Manager) closed(c *crowd.Connection, reason string) {
	g := m.generation.Load()
	if err := measured(g.measures.closed, func() error { return g.application.Closed(c, reason) }); err != nil {
		m.fail(g.number, "close", c, "", err)
	}
	m.settle()
}
