package manager

import (
	"sync/atomic"

	"perigee/engine/broker"
	"perigee/engine/manager/hub"
)

// resumes count the clients that come back. They are safe for concurrent use.
type resumes struct {
	away                          atomic.Int64 // now
	complete, incomplete, unknown atomic.Uint64
}

// Away returns how many connections are away. It is safe for concurrent use.
func (m *Manager) Away() int { return int(m.resumes.away.Load()) }

// Resumes returns how many clients came back, by the result: "complete"; "incomplete" if they could not be sent all that they had
// missed; "unknown" if their connection was over, so that they are new. It is safe for concurrent use.
func (m *Manager) Resumes() map[string]uint64 {
	r := &m.resumes
	return map[string]uint64{"complete": r.complete.Load(), "incomplete": r.incomplete.Load(), "unknown": r.unknown.Load()}
}

// resume opens a connection for a client that wants to go on with an earlier one. The client is new if that connection is over, or if
// the connect hook names another user than before. resume returns once the messages of the client come after the resume hook.
func (m *Manager) resume(conn broker.Conn, uuid string) {
	request := conn.ResumeRequest()
	var c *hub.Connection
	// The socket sends once whether the client misses nothing; the turn closes it if the client is new.
	back := make(chan bool, 1)
	err := m.loop.Post("open", func() {
		c = m.hub.ByToken(request.Token, request.Origin)
		if admitted := admission(conn); c == nil || admitted != nil && !c.MayReturnAs(admitted) {
			close(back)
			m.resumes.unknown.Add(1)
			m.open(conn, uuid)
			return
		}
		if r := conn.Request(); r != nil {
			r.Admission = nil // the connection keeps its own fields
		}
		lost := c.Connected() // and nobody has noticed
		c.BeginResume(conn, request.Received, func(complete bool) { back <- complete })
		if lost {
			m.dropped(c)
		}
	})
	if err != nil {
		return
	}
	if complete, resumed := <-back; resumed {
		_ = m.loop.Post("resume", func() { m.resumed(c, conn, complete) })
	}
}

// dropped runs the drop hook for a connection that is away.
func (m *Manager) dropped(c *hub.Connection) {
	m.runHook("drop", c, func(g *generation) error {
		return runCounted(g.metrics.onDrop, func() error { return g.application.OnDrop(c) })
	})
}

// resumed runs the resume hook for a connection that has come back with this socket.
func (m *Manager) resumed(c *hub.Connection, conn broker.Conn, complete bool) {
	if !c.EndResume(conn, complete) {
		return
	}
	if complete {
		m.resumes.complete.Add(1)
	} else {
		m.resumes.incomplete.Add(1)
	}
	m.runHook("resume", c, func(g *generation) error {
		if !complete {
			defer m.hub.SendAgain(c)
		}
		return runCounted(g.metrics.onResume, func() error { return g.application.OnResume(c, complete) })
	})
}
