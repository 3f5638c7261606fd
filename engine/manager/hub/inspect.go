package hub

// CountTopics returns how many topics the connection is subscribed to.
func (c *Connection) CountTopics() int { return len(c.subscriptions) }

// CountMessages returns how many messages have come from the client on its present socket.
func (c *Connection) CountMessages() uint64 { return c.conn.Heard() }

// Resumable reports whether the client may come back to the connection after its socket is lost.
func (c *Connection) Resumable() bool { return c.resumption != nil }

// Violations returns how many bad messages of the last minute are known, and how many wrong passwords since the last right one.
func (c *Connection) Violations() (badMessages, wrongPasswords int) {
	now := c.hub.loop.Now()
	for _, at := range c.badMessages {
		if now.Sub(at) < badMessagesWindow {
			badMessages++
		}
	}
	return badMessages, c.failures
}

// Subscribers returns the first subscribers of the topic, at most so many. The slice is the hub's, and valid for this turn only.
func (t *Topic) Subscribers(most int) []*Connection {
	return t.subscribers[:min(most, len(t.subscribers))]
}
