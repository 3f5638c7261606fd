package manager

import (
	"cmp"
	"fmt"
	"slices"

	"perigee/engine/broker"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// maxTopicName is how many bytes the name of a topic may have: UpdateTopics takes all of them to everybody.
const maxTopicName = 255

// topics are all topics there are.
type topics struct {
	names map[string]*topic
	uuids map[string]*topic
	last  broker.TopicID // of the topic registered last
	news  notice         // UpdateTopics
}

// topic is a named set of connections.
type topic struct {
	manager     *Manager
	id          broker.TopicID
	uuid, name  string
	options     script.TopicOptions
	registered  bool
	by          *generation   // whose boot it waits for to be known; nil once it is
	subscribers []*connection // in the order of opening
	slot        any
}

func newTopics() topics {
	return topics{names: map[string]*topic{}, uuids: map[string]*topic{}}
}

// find returns nil where there is no such topic.
func (all *topics) find(nameOrUUID string) *topic {
	if t := all.uuids[nameOrUUID]; t != nil {
		return t
	}
	return all.names[nameOrUUID]
}

func (all *topics) add(t *topic) {
	all.names[t.name] = t
	all.uuids[t.uuid] = t
}

// list is sorted by name.
func (all *topics) list() []*topic {
	list := make([]*topic, 0, len(all.names))
	for _, t := range all.names {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *topic) int { return cmp.Compare(a.name, b.name) })
	return list
}

// topicList is a list as scripts get it.
func topicList(list []*topic) []script.Topic {
	all := make([]script.Topic, len(list))
	for i, t := range list {
		all[i] = t
	}
	return all
}

// registerTopic returns the topic of that name, and makes it where there is none; while scripts load, the others hear of it
// at the swap. One that has other options is an error: it must not become open, or closed, behind the back of whoever made it.
func (g *generation) registerTopic(name string, o script.TopicOptions) (*topic, error) {
	m := g.manager
	if name == "" || len(name) > maxTopicName {
		return nil, fmt.Errorf("manager: register topic: the name has %d bytes; 1 to %d may be", len(name), maxTopicName)
	}
	if t := g.findTopic(name); t != nil && t.name == name {
		if t.options != o {
			return nil, fmt.Errorf("manager: register topic: %q is there already, with protection %q", name, t.options.Protection)
		}
		return t, nil
	}
	m.topics.last++
	t := &topic{manager: m, id: m.topics.last, uuid: wire.NewID(), name: name, options: o, registered: true}
	if g.phase == loading {
		t.by = g
		g.topics = append(g.topics, t)
		return t, nil
	}
	m.topics.add(t)
	m.owe(&m.topics.news)
	return t, nil
}

// findTopic returns nil where these scripts see no such topic.
func (g *generation) findTopic(nameOrUUID string) *topic {
	for _, t := range g.topics {
		if t.name == nameOrUUID || t.uuid == nameOrUUID {
			return t
		}
	}
	return g.manager.topics.find(nameOrUUID)
}

// allTopics are those that these scripts see, sorted by name.
func (g *generation) allTopics() []*topic {
	list := append(g.manager.topics.list(), g.topics...)
	slices.SortStableFunc(list, func(a, b *topic) int { return cmp.Compare(a.name, b.name) })
	return list
}

// unregisterTopic removes a topic and tells everybody, and its subscribers what they are still subscribed to.
func (m *Manager) unregisterTopic(t *topic) {
	if !t.registered {
		return
	}
	t.registered = false
	delete(m.topics.names, t.name)
	delete(m.topics.uuids, t.uuid)
	for _, c := range t.subscribers {
		i, _ := c.subscription(t)
		c.subscriptions = slices.Delete(c.subscriptions, i, i+1)
		c.socket.Unsubscribe(t.id)
		c.resubscribed()
	}
	t.subscribers = nil
	m.owe(&m.topics.news)
}

func (m *Manager) tellTopics() {
	err := m.broadcast("UpdateTopics", wire.Members{{Name: "topics", Value: topicObject(m.topics.list())}})
	if err != nil {
		m.log.Error("manager: sending", "name", "UpdateTopics", "error", err)
	}
}

func (t *topic) UUID() string                 { return t.uuid }
func (t *topic) Name() string                 { return t.name }
func (t *topic) Count() int                   { return len(t.subscribers) }
func (t *topic) Registered() bool             { return t.registered }
func (t *topic) Connections() []script.Client { return clients(t.subscribers) }
func (t *topic) Slot() *any                   { return &t.slot }

func (t *topic) Allows(client script.Client) bool {
	c, ok := client.(*connection)
	return ok && allows(t.options.Protection, c, t.options.Owner)
}

// subscription finds the place of a topic among a connection's subscriptions.
func (c *connection) subscription(t *topic) (int, bool) {
	return slices.BinarySearchFunc(c.subscriptions, t.name, func(other *topic, name string) int {
		return cmp.Compare(other.name, name)
	})
}

// Subscribe does not ask whether the connection may: Allows tells.
func (t *topic) Subscribe(client script.Client) error {
	c, ok := client.(*connection)
	switch {
	case !ok:
		return fmt.Errorf("manager: subscribe to %q: not a client of this server", t.name)
	case !t.registered:
		return fmt.Errorf("manager: subscribe to %q: the topic has been removed", t.name)
	case !c.open:
		return nil
	case t.by != nil:
		t.by.do(func() { _ = t.Subscribe(client) }) // too many subscriptions are found out too late to be told
		return nil
	}
	i, subscribed := c.subscription(t)
	if subscribed {
		return nil
	}
	if limit := t.manager.options.Limits.Subscriptions; len(c.subscriptions) >= limit {
		return fmt.Errorf("manager: subscribe to %q: a connection may have %d subscriptions", t.name, limit)
	}
	c.subscriptions = slices.Insert(c.subscriptions, i, t)
	j := place(t.subscribers, c.number)
	t.subscribers = slices.Insert(t.subscribers, j, c)
	c.socket.Subscribe(t.id)
	c.resubscribed()
	return nil
}

func (t *topic) Unsubscribe(client script.Client) {
	c, ok := client.(*connection)
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
func (c *connection) resubscribed() {
	c.manager.owe(&c.news)
	c.outdate()
}

func (c *connection) tellSubscriptions() {
	c.sendOwn("UpdateSubscriptions", wire.Members{{Name: "subscriptions", Value: topicObject(c.subscriptions)}})
}
