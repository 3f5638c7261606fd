package hub

import (
	"perigee/engine/auth"
	"perigee/engine/wire"
)

// maxFailures is how many wrong passwords close a connection.
const maxFailures = 5

// Authenticate compares a password with the key. A failure is answered late, and in the same way if the password was wrong or
// was not even compared because the address or the connection has failed too often.
func (c *Connection) Authenticate(password string, done func(ok bool)) {
	h := c.hub
	if !c.open {
		done(false)
		return
	}
	if c.checkPassword(password) {
		c.failures = 0
		c.SetAdmin(true)
		done(true)
		return
	}
	if c.failures >= maxFailures {
		done(false) // it is about to be closed; further attempts need not wait
		return
	}
	c.failures++
	last := c.failures == maxFailures
	h.loop.After(auth.FailureDelay(), "authenticate", func() {
		done(false)
		if last {
			// The answer is sent first, also if the handler waits and sends it in the turn that done wakes.
			h.loop.Next("authenticate", func() { c.Close(wire.CloseTooManyFailures()) })
		}
		h.Flush()
	})
}

// checkPassword reports whether the password is the key, unless the connection has failed too often.
func (c *Connection) checkPassword(password string) bool {
	return c.failures < maxFailures && c.hub.options.CheckPassword(c.conn.Peer(), password, "uuid", c.uuid)
}
