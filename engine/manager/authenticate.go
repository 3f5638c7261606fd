package manager

import (
	"perigee/engine/auth"
	"perigee/engine/wire"
)

// maxFailures is how many wrong passwords close a connection.
const maxFailures = 5

// Authenticate compares a password with the key. A failure is answered late, and in the same way whether the password was
// wrong or not even compared, because the address or the connection has failed too often.
func (c *connection) Authenticate(password string, done func(ok bool)) {
	m := c.manager
	if !c.open {
		done(false)
		return
	}
	if c.passes(password) {
		c.failures = 0
		c.SetAdmin(true)
		done(true)
		return
	}
	if c.failures >= maxFailures {
		done(false) // it is about to be closed; more need not wait
		return
	}
	c.failures++
	last := c.failures == maxFailures
	m.loop.After(auth.FailureDelay(), "authenticate", func() {
		done(false)
		if last {
			// The answer goes first, also where the handler waits and gives it in the turn to which done woke it.
			m.loop.Next("authenticate", func() { c.end(wire.CloseTooManyFailures()) })
		}
		m.settle()
	})
}

// passes tells whether the password opens the door.
func (c *connection) passes(password string) bool {
	m := c.manager
	return c.failures < maxFailures && m.opens(m.clients, c.socket.Peer(), password, "uuid", c.uuid)
}

// Admit tells whether a program at peer that knows this password may run commands. Whoever answers that it may not, waits
// for [auth.FailureDelay] first. Any goroutine may call it.
func (m *Manager) Admit(peer auth.Peer, password string) bool {
	return m.opens(m.programs, peer, password)
}

// opens tells whether a password is the key, and counts it against the address where it is not. A direct peer is never locked
// out: all programs of this machine have one address, and each failure costs a pause. who goes into the log. Any goroutine
// may call it.
func (m *Manager) opens(throttle *auth.Throttle, peer auth.Peer, password string, who ...any) bool {
	now := m.loop.Now()
	if !peer.Direct && !throttle.Allow(peer.Addr, now) {
		return false
	}
	key := m.key.Load()
	if key.Matches(password) && (peer.Direct || !key.IsDefault()) {
		return true
	}
	throttle.Fail(peer.Addr, now)
	why := "not the key"
	if key.IsDefault() && !peer.Direct {
		why = "a key that everybody knows is good for clients on this machine only, without a proxy"
	}
	m.log.Warn("manager: authentication failed", append(who, "ip_address", peer.Addr, "reason", why)...)
	return false
}
