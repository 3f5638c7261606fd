package hub

import (
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// badMessagesWindow is the span of time for which Limits.MaxBadMessages counts.
const badMessagesWindow = time.Minute

// May reports whether the connection passes a protection. It is the only caller of Protection.Allows: the manager asks it for
// messages, topics ask it for subscriptions. owner is the UUID of the connection that the message or topic is about.
func (c *Connection) May(p auth.Protection, owner string) bool {
	return p.Allows(c.admin, c.uuid, owner)
}

// Refuse answers a bad message, and closes a connection that has sent too many of them.
func (c *Connection) Refuse(e wire.Exception, previous string) {
	c.SendOrLog(wire.MessageException, e.Fields(previous))
	now := c.hub.loop.Now()
	for len(c.badMessages) > 0 && now.Sub(c.badMessages[0]) >= badMessagesWindow {
		c.badMessages = c.badMessages[1:]
	}
	if c.badMessages = append(c.badMessages, now); len(c.badMessages) > c.hub.options.Limits.MaxBadMessages {
		c.Close(wire.CloseBadRequest())
	}
}
