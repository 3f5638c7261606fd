package hub

import (
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// badMessagesWithin is the span of time in which Limits.MaxBadMessages counts.
const badMessagesWithin = time.Minute

// May is the guard, the only caller of Protection.Allows. The manager asks it for messages, topics for subscriptions. owner
// is the UUID of the connection that it is about.
func (c *Connection) May(p auth.Protection, owner string) bool {
	return p.Allows(c.admin, c.uuid, owner)
}

// Refuse answers a bad message, and closes a connection that sent too many of them.
func (c *Connection) Refuse(e wire.Exception, previous string) {
	c.SendOwn(wire.MessageException, e.Fields(previous))
	now := c.crowd.loop.Now()
	for len(c.bad) > 0 && now.Sub(c.bad[0]) >= badMessagesWithin {
		c.bad = c.bad[1:]
	}
	if c.bad = append(c.bad, now); len(c.bad) > c.crowd.options.Limits.MaxBadMessages {
		c.End(wire.CloseBadRequest())
	}
}
