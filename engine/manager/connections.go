package manager

import (
	"perigee/engine/broker"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

// Open implements broker.Handler, as Message and Closed do. All three block while the queue of the loop is full. After the
// loop has stopped they are no-ops. Open also blocks until a client that comes back can be heard on its new socket.
func (m *Manager) Open(conn broker.Conn) {
	uuid := wire.NewID()
	if conn.ResumeRequest().Token == "" {
		_ = m.loop.Post("open", func() { m.open(conn, uuid) })
		return
	}
	m.resume(conn, uuid)
}

// Message implements broker.Handler.
func (m *Manager) Message(conn broker.Conn, text []byte) {
	in, turn := m.read(conn, text)
	_ = m.loop.Post(turn, func() { m.receive(in) })
}

// Closed implements broker.Handler. If the server has closed the connection, it has been removed already, and its close hook
// has run or is about to.
func (m *Manager) Closed(conn broker.Conn, why wire.Close, end broker.End) {
	_ = m.loop.Post("close", func() {
		c := m.hub.ByConn(conn)
		if c != nil && end != broker.EndForGood && c.Drop(end == broker.EndLeft, why.Reason) {
			m.dropped(c)
			return
		}
		if end != broker.EndForGood {
			conn.Forget()
		}
		if c != nil {
			c.Remove()
			m.closed(c, why.Reason)
		}
	})
}

// open adds a new connection and runs the open hook.
func (m *Manager) open(conn broker.Conn, uuid string) {
	c := m.admit(conn, uuid)
	if request := conn.ResumeRequest(); request.Resumable {
		c.MakeResumable(request.Origin)
	}
	m.runHook("open", c, func(g *generation) error {
		defer m.hub.SendTopics(c)
		return runCounted(g.metrics.onOpen, func() error { return g.application.OnOpen(c) })
	})
}

// admit adds a new connection: the one that the connect hook has admitted, if there was a hook.
func (m *Manager) admit(conn broker.Conn, uuid string) *hub.Connection {
	if c := admission(conn); c != nil {
		conn.Request().Admission = nil
		m.hub.Admit(c, conn)
		return c
	}
	return m.hub.Add(conn, uuid)
}

// admission returns the connection that the connect hook has admitted; nil if there was no hook.
func admission(conn broker.Conn) *hub.Connection {
	if conn.Request() == nil {
		return nil
	}
	c, _ := conn.Request().Admission.(*hub.Connection)
	return c
}

// closed runs the close hook for a connection that has been removed.
func (m *Manager) closed(c *hub.Connection, reason string) {
	m.runHook("close", c, func(g *generation) error {
		return runCounted(g.metrics.onClose, func() error { return g.application.OnClose(c, reason) })
	})
}

// runHook runs a hook of the scripts for a connection.
func (m *Manager) runHook(name string, c *hub.Connection, run func(g *generation) error) {
	m.loop.As(c.Owner(), func() {
		g := m.generation.Load()
		if err := run(g); err != nil {
			m.fail(g.number, name, c, "", err)
		}
		m.hub.Flush()
	})
}
