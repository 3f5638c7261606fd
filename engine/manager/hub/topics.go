package hub

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"perigee/engine/broker/outbox"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// MaxTopicName is how many bytes the name of a topic may have. UpdateTopics sends all names to every client.
const MaxTopicName = 255

// topics are all registered topics.
type topics struct {
	byName map[string]*Topic
	byUUID map[string]*Topic
	lastID outbox.TopicID // of the topic made last
	update update         // UpdateTopics
}

// Topic is a named set of connections.
type Topic struct {
	hub         *Hub
	id          outbox.TopicID
	uuid, name  string
	options     bind.TopicOptions
	registered  bool
	deferAct    func(act func()) // defers subscriptions until AddTopic; nil after that
	subscribers []*Connection    // in the order of opening
	slot        any
}

// TopicList returns a list as scripts get it.
func TopicList(list []*Topic) []bind.Topic {
	all := make([]bind.Topic, len(list))
	for i, t := range list {
		all[i] = t
	}
	return all
}

// NewTopic makes a topic that clients do not see before AddTopic. Until then deferAct defers the subscriptions to it.
func (h *Hub) NewTopic(name string, o bind.TopicOptions, deferAct func(act func())) *Topic {
	h.topics.lastID++
	return &Topic{hub: h, id: h.topics.lastID, uuid: wire.NewID(), name: name, options: o, registered: true, deferAct: deferAct}
}

// AddTopic makes a topic known to all clients.
func (h *Hub) AddTopic(t *Topic) {
	t.deferAct = nil
	h.topics.byName[t.name] = t
	h.topics.byUUID[t.uuid] = t
	h.schedule(&h.topics.update)
}

// FindTopic returns the topic that has this name or UUID, or nil.
func (h *Hub) FindTopic(nameOrUUID string) *Topic {
	return cmp.Or(h.topics.byUUID[nameOrUUID], h.topics.byName[nameOrUUID])
}

// HasTopic reports whether there is a topic of that name.
func (h *Hub) HasTopic(name string) bool { return h.topics.byName[name] != nil }

// CheckTopics returns an error if the hub's topics and n pending ones have reached limits.topics.
func (h *Hub) CheckTopics(n int) error {
	if most := h.options.Limits.Topics; most > 0 && len(h.topics.byName)+n >= most {
		h.refusals.Log("limits.topics", most)
		return fmt.Errorf("there are %d topics already (limits.topics)", most)
	}
	return nil
}

// Topics returns all topics, sorted by name. The slice is the caller's.
func (h *Hub) Topics() []*Topic {
	return slices.SortedFunc(maps.Values(h.topics.byName), func(a, b *Topic) int { return cmp.Compare(a.name, b.name) })
}

// Unregister removes a topic. All clients are sent UpdateTopics, its subscribers UpdateSubscriptions.
func (h *Hub) Unregister(t *Topic) {
	if !t.registered {
		return
	}
	t.registered = false
	delete(h.topics.byName, t.name)
	delete(h.topics.byUUID, t.uuid)
	for _, c := range t.subscribers {
		i, _ := c.subscription(t)
		c.subscriptions = slices.Delete(c.subscriptions, i, i+1)
		c.conn.Unsubscribe(t.id)
		c.subscriptionsChanged()
	}
	t.subscribers = nil
	h.schedule(&h.topics.update)
}

func (h *Hub) sendTopics() {
	if len(h.connections) == 0 {
		return
	}
	f, err := h.Encode("UpdateTopics", wire.Members{{Name: "topics", Value: topicObject(h.Topics())}})
	if err != nil {
		h.log.Error("hub: a message cannot be encoded", "name", "UpdateTopics", "error", err)
		return
	}
	h.Broadcast(f)
}

// UUID implements bind.Topic.
func (t *Topic) UUID() string { return t.uuid }

// Name implements bind.Topic.
func (t *Topic) Name() string { return t.name }

// Count implements bind.Topic.
func (t *Topic) Count() int { return len(t.subscribers) }

// Registered implements bind.Topic.
func (t *Topic) Registered() bool { return t.registered }

// Connections implements bind.Topic.
func (t *Topic) Connections() []bind.Client { return clients(t.subscribers) }

// Slot implements bind.Topic.
func (t *Topic) Slot() *any { return &t.slot }

// Options returns who may subscribe.
func (t *Topic) Options() bind.TopicOptions { return t.options }

// Discard marks a topic that will not be added as removed.
func (t *Topic) Discard() { t.registered = false }

// MayHaveSubscribers reports whether the topic has subscribers, or may have some after the deferred subscriptions.
func (t *Topic) MayHaveSubscribers() bool { return t.deferAct != nil || len(t.subscribers) > 0 }

// Publish sends a frame of Encode to the subscribers.
func (t *Topic) Publish(f *outbox.Frame) { t.hub.publisher.Publish(t.id, f) }

// Allows implements bind.Topic.
func (t *Topic) Allows(client bind.Client) bool {
	c, ok := client.(*Connection)
	return ok && c.May(t.options.Protection, t.options.Owner)
}

// subscription returns the index of a topic in the connection's subscriptions.
func (c *Connection) subscription(t *Topic) (int, bool) {
	return slices.BinarySearchFunc(c.subscriptions, t.name, func(other *Topic, name string) int {
		return cmp.Compare(other.name, name)
	})
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
	i, subscribed := c.subscription(t)
	if subscribed {
		return nil
	}
	if limit := t.hub.options.Limits.Subscriptions; len(c.subscriptions) >= limit {
		t.hub.refusals.Log("limits.subscriptions", limit, "uuid", c.uuid)
		return fmt.Errorf("subscribe to %q: a connection may have %d subscriptions", t.name, limit)
	}
	c.subscriptions = slices.Insert(c.subscriptions, i, t)
	j := indexOf(t.subscribers, c.number)
	t.subscribers = slices.Insert(t.subscribers, j, c)
	c.conn.Subscribe(t.id)
	c.subscriptionsChanged()
	return nil
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
	c.conn.Unsubscribe(t.id)
	c.subscriptionsChanged()
}

// subscriptionsChanged schedules UpdateSubscriptions. In the roster only the entry of this connection is refreshed: other
// subscribers show there the number of subscribers of their own last change.
func (c *Connection) subscriptionsChanged() {
	c.hub.schedule(&c.subscriptionsUpdate)
	c.InvalidateEntry()
}

func (c *Connection) sendSubscriptions() {
	c.SendOrLog("UpdateSubscriptions", wire.Members{{Name: "subscriptions", Value: topicObject(c.subscriptions)}})
}
