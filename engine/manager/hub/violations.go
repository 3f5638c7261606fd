package hub

import (
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// maxFailures is how many wrong passwords close a connection.
const maxFailures = 5

// badMessagesWindow is the span of time for which Limits.MaxBadMessages counts.
const badMessagesWindow = time.Minute

// Refuse answers a bad message, and closes a connection that has sent too many of them.
func (c *Connection) Refuse(e wire.Exception, previous string) {
	c.SendOrLog(wire.MessageException, e.Fields(previous))
	now := c.hub.loop.Now()
	for len(c.badMessages) > 0 && now.Sub(c.badMessages[0]) >= badMessagesWindow {
		c.badMessages = c.badMessages[1:]
	}
	limit := c.hub.options.Limits.MaxBadMessages
	if c.badMessages = append(c.badMessages, now); len(c.badMessages) > limit {
		c.hub.refusals.Log("limits.max_bad_messages", limit, "uuid", c.uuid)
		c.Close(wire.CloseBadRequest())
	}
}

// Authenticate compares a password with the key. A failure is answered late, and in the same way if the password was wrong or
// was not even compared because the address or the connection has failed too often.
func (c *Connection) Authenticate(password string, done func(ok bool)) {
	h := c.hub
	if !c.open {
		done(false)
		return
	}
	if c.failures < maxFailures && h.options.CheckPassword(c.conn.Peer(), password, "uuid", c.uuid) {
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
