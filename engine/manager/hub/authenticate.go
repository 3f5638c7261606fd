package hub

import (
	"perigee/engine/auth"
	"perigee/engine/wire"
)

// maxFailures is how many wrong passwords close a connection.
const maxFailures = 5

// Authenticate compares a password with the key. A failure is answered late, and in the same way whether the password was
// wrong or not even compared, because the address or the connection has failed too often.
func (c *Connection) Authenticate(password string, done func(ok bool)) {
	cr := c.crowd
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
	cr.loop.After(auth.FailureDelay(), "authenticate", func() {
		done(false)
		if last {
			// The answer goes first, also where the handler waits and gives it in the turn to which done woke it.
			cr.loop.Next("authenticate", func() { c.End(wire.CloseTooManyFailures()) })
		}
		cr.Settle()
	})
}

// passes tells whether the password opens the door.
func (c *Connection) passes(password string) bool {
	return c.failures < maxFailures && c.crowd.options.Opens(c.socket.Peer(), password, "uuid", c.uuid)
}
