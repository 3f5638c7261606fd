package hub

import (
	"fmt"
	"slices"

	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// subscription returns the index of a topic in the connection's subscriptions.
func (c *Connection) subscription(t *Topic) (int, bool) {
	return slices.BinarySearchFunc(c.subscriptions, t.name, compareName)
}

// Subscribe implements bind.Topic. It does not check whether the connection may: that is for Allows.
func (t *Topic) Subscribe(client bind.Client) error {
	c, ok := client.(*Connection)
	switch {
	case !ok:
		return fmt.Errorf("subscribe to %q: not a client of this server", t.name)
	case !t.registered:
		return fmt.Errorf("subscribe to %q: the topic has been removed", t.name)
	case !c.open:
		return nil
	case t.deferAct != nil:
		t.deferAct(func() { _ = t.Subscribe(client) }) // too late to return an error for too many subscriptions
		return nil
	}
	if _, subscribed := c.subscription(t); subscribed {
		return nil
	}
	if err := t.add(c); err != nil {
		return err
	}
	c.subscriptionsChanged()
	t.welcome(c)
	return nil
}

// add adds a connection that does not subscribe to the subscribers, without telling it.
func (t *Topic) add(c *Connection) error {
	if limit := t.hub.options.Limits.Subscriptions; len(c.subscriptions) >= limit {
		t.hub.refusals.Log("limits.subscriptions", limit, "uuid", c.uuid)
		return fmt.Errorf("subscribe to %q: a connection may have %d subscriptions", t.name, limit)
	}
	i, _ := c.subscription(t)
	c.subscriptions = slices.Insert(c.subscriptions, i, t)
	j := indexOf(t.subscribers, c.number)
	t.subscribers = slices.Insert(t.subscribers, j, c)
	c.conn.Subscribe(t.id)
	t.countPresence(c.User(), 1)
	return nil
}

// welcome has a subscriber sent presence and history, if there are any, after its UpdateSubscriptions and before the topic's next
// message.
func (t *Topic) welcome(c *Connection) {
	if t.history == nil && t.presence == nil {
		return
	}
	c.newTopics = append(c.newTopics, t)
	if len(t.newSubscribers) == 0 {
		t.hub.topics.withNewSubscribers = append(t.hub.topics.withNewSubscribers, t)
	}
	t.newSubscribers = append(t.newSubscribers, c)
}

// Unsubscribe implements bind.Topic.
func (t *Topic) Unsubscribe(client bind.Client) {
	c, ok := client.(*Connection)
	if !ok {
		return
	}
	i, subscribed := c.subscription(t)
	if !subscribed {
		return
	}
	c.subscriptions = slices.Delete(c.subscriptions, i, i+1)
	t.subscribers = remove(t.subscribers, c)
	t.countPresence(c.User(), -1)
	c.conn.Unsubscribe(t.id)
	c.subscriptionsChanged()
}

// subscriptionsChanged schedules UpdateSubscriptions. In the roster only the entry of this connection is refreshed: other
// subscribers show there the number of subscribers of their own last change.
func (c *Connection) subscriptionsChanged() {
	c.hub.updates.Schedule(&c.subscriptionsUpdate)
	c.entry.Invalidate()
}

// sendSubscriptions sends a connection its subscriptions, and then who is present in the new ones, and their history.
func (c *Connection) sendSubscriptions() {
	c.SendOrLog("UpdateSubscriptions", wire.Members{{Name: "subscriptions", Value: topicObject(c.subscriptions)}})
	topics := c.newTopics
	c.newTopics = nil
	for i, t := range topics {
		if _, subscribed := c.subscription(t); !subscribed || slices.Contains(topics[:i], t) {
			continue
		}
		if t.presence != nil {
			c.send(t.wholePresence(), t)
		}
		if t.history != nil {
			frames := t.history.Frames()
			for _, f := range frames {
				c.traceOut(f, t)
			}
			c.conn.SendAll(frames)
		}
	}
}
