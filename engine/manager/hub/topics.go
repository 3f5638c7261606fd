package hub

import (
	"cmp"
	"fmt"
	"slices"

	"perigee/engine/broker/outbox"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// MaxTopicName is how many bytes the name of a topic may have: UpdateTopics takes all of them to everybody.
const MaxTopicName = 255

// topics are all topics there are.
type topics struct {
	names map[string]*Topic
	uuids map[string]*Topic
	last  outbox.TopicID // of the topic registered last
	news  notice         // UpdateTopics
}

// Topic is a named set of connections.
type Topic struct {
	crowd       *Crowd
	id          outbox.TopicID
	uuid, name  string
	options     bind.TopicOptions
	registered  bool
	later       func(func())  // puts off what is done with it until it is known; nil once it is
	subscribers []*Connection // in the order of opening
	slot        any
}

func newTopics() topics {
	return topics{names: map[string]*Topic{}, uuids: map[string]*Topic{}}
}

// find returns nil where there is no such topic.
func (all *topics) find(nameOrUUID string) *Topic {
	if t := all.uuids[nameOrUUID]; t != nil {
		return t
	}
	return all.names[nameOrUUID]
}

func (all *topics) add(t *Topic) {
	all.names[t.name] = t
	all.uuids[t.uuid] = t
}

// list is sorted by name.
func (all *topics) list() []*Topic {
	list := make([]*Topic, 0, len(all.names))
	for _, t := range all.names {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *Topic) int { return cmp.Compare(a.name, b.name) })
	return list
}

// TopicList is a list as scripts get it.
func TopicList(list []*Topic) []bind.Topic {
	all := make([]bind.Topic, len(list))
	for i, t := range list {
		all[i] = t
	}
	return all
}

// MakeTopic makes a topic that nobody knows until AddTopic; until then later puts off the subscriptions to it.
func (cr *Crowd) MakeTopic(name string, o bind.TopicOptions, later func(act func())) *Topic {
	cr.topics.last++
	return &Topic{crowd: cr, id: cr.topics.last, uuid: wire.NewID(), name: name, options: o, registered: true, later: later}
}

// AddTopic makes a topic known to everybody.
func (cr *Crowd) AddTopic(t *Topic) {
	t.later = nil
	cr.topics.add(t)
	cr.owe(&cr.topics.news)
}

// FindTopic finds a topic by name or UUID; nil where there is none.
func (cr *Crowd) FindTopic(nameOrUUID string) *Topic { return cr.topics.find(nameOrUUID) }

// HasTopic tells whether there is a topic of that name.
func (cr *Crowd) HasTopic(name string) bool { return cr.topics.names[name] != nil }

// Topics returns all topics, sorted by name. The slice is the caller's.
func (cr *Crowd) Topics() []*Topic { return cr.topics.list() }

// Unregister removes a topic and tells everybody, and its subscribers what they are still subscribed to.
func (cr *Crowd) Unregister(t *Topic) {
	if !t.registered {
		return
	}
	t.registered = false
	delete(cr.topics.names, t.name)
	delete(cr.topics.uuids, t.uuid)
	for _, c := range t.subscribers {
		i, _ := c.subscription(t)
		c.subscriptions = slices.Delete(c.subscriptions, i, i+1)
		c.socket.Unsubscribe(t.id)
		c.resubscribed()
	}
	t.subscribers = nil
	cr.owe(&cr.topics.news)
}

func (cr *Crowd) tellTopics() {
	err := cr.broadcast("UpdateTopics", wire.Members{{Name: "topics", Value: topicObject(cr.topics.list())}})
	if err != nil {
		cr.log.Error("crowd: sending", "name", "UpdateTopics", "error", err)
	}
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

// Options say who may subscribe.
func (t *Topic) Options() bind.TopicOptions { return t.options }

// Drop gives up a topic that has not been added.
func (t *Topic) Drop() { t.registered = false }

// Reaches tells whether anybody may be subscribed by the time that what is put off is done.
func (t *Topic) Reaches() bool { return t.later != nil || len(t.subscribers) > 0 }

// Publish sends a frame of Encode to the subscribers.
func (t *Topic) Publish(f *outbox.Frame) { t.crowd.outlet.Publish(t.id, f) }

// Allows implements bind.Topic.
func (t *Topic) Allows(client bind.Client) bool {
	c, ok := client.(*Connection)
	return ok && c.May(t.options.Protection, t.options.Owner)
}

// subscription finds the place of a topic among a connection's subscriptions.
func (c *Connection) subscription(t *Topic) (int, bool) {
	return slices.BinarySearchFunc(c.subscriptions, t.name, func(other *Topic, name string) int {
		return cmp.Compare(other.name, name)
	})
}

// Subscribe does not ask whether the connection may: Allows tells.
func (t *Topic) Subscribe(client bind.Client) error {
	c, ok := client.(*Connection)
	switch {
	case !ok:
		return fmt.Errorf("crowd: subscribe to %q: not a client of this server", t.name)
	case !t.registered:
		return fmt.Errorf("crowd: subscribe to %q: the topic has been removed", t.name)
	case !c.open:
		return nil
	case t.later != nil:
		t.later(func() { _ = t.Subscribe(client) }) // too many subscriptions are found out too late to be told
		return nil
	}
	i, subscribed := c.subscription(t)
	if subscribed {
		return nil
	}
	if limit := t.crowd.options.Limits.Subscriptions; len(c.subscriptions) >= limit {
		return fmt.Errorf("crowd: subscribe to %q: a connection may have %d subscriptions", t.name, limit)
	}
	c.subscriptions = slices.Insert(c.subscriptions, i, t)
	j := place(t.subscribers, c.number)
	t.subscribers = slices.Insert(t.subscribers, j, c)
	c.socket.Subscribe(t.id)
	c.resubscribed()
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
	t.subscribers = without(t.subscribers, c)
	c.socket.Unsubscribe(t.id)
	c.resubscribed()
}

// resubscribed has a connection told that its subscriptions changed. In the roster only its own row is made anew: the
// number of subscribers that others show there is that of their own last change.
func (c *Connection) resubscribed() {
	c.crowd.owe(&c.news)
	c.Outdate()
}

func (c *Connection) tellSubscriptions() {
	c.SendOwn("UpdateSubscriptions", wire.Members{{Name: "subscriptions", Value: topicObject(c.subscriptions)}})
}
