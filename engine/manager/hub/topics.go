package hub

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub/history"
	"perigee/engine/manager/hub/previous"
	"perigee/engine/manager/hub/updates"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// MaxTopicName is how many bytes the name of a topic may have. UpdateTopics sends the listed names to every client.
const MaxTopicName = 255

// topics are all registered topics.
type topics struct {
	byName map[string]*Topic
	byUUID map[string]*Topic
	listed []*Topic       // those that all clients know, sorted by name
	lastID outbox.TopicID // of the topic made last
	update updates.Update // UpdateTopics

	histories          *history.Histories
	previous           previous.Topics // of the previous server
	withNewSubscribers []*Topic
	presenceChanged    []*Topic // to be told to their subscribers
}

// Topic is a named set of connections.
type Topic struct {
	hub            *Hub
	id             outbox.TopicID
	uuid, name     string
	access         bind.TopicAccess
	registered     bool
	listed         bool
	deferAct       func(act func()) // defers subscriptions until AddTopic; nil after that
	subscribers    []*Connection    // in the order of opening
	history        *history.History // nil if it keeps none
	presence       *topicPresence   // nil if it has none
	previous       *previous.Topic  // the topic of the previous server that it continues; or nil
	newSubscribers []*Connection    // those of this turn that have to be sent presence and history
	slot           any
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
	t := &Topic{
		hub: h, id: h.topics.lastID, uuid: wire.NewID(), name: name, access: o.TopicAccess, registered: true, deferAct: deferAct,
		listed: o.Listed != nil && *o.Listed,
	}
	if t.previous = h.topics.previous.Take(name, o.TopicAccess); t.previous != nil {
		t.uuid = t.previous.UUID
	}
	t.setOptions(o)
	return t
}

// setOptions takes over those options that are set and that do not concern other clients.
func (t *Topic) setOptions(o bind.TopicOptions) {
	if o.History != nil {
		t.setHistory(*o.History)
	}
	if o.Presence != nil {
		t.setPresence(*o.Presence)
	}
}

// AddTopic makes a topic known to scripts, and to all clients if it is listed.
func (h *Hub) AddTopic(t *Topic) {
	t.deferAct = nil
	if t.previous != nil {
		t.previous.DropHistory()
	}
	h.topics.previous.Drop(t.name)
	h.topics.byName[t.name] = t
	h.topics.byUUID[t.uuid] = t
	if t.listed {
		t.listed = false
		h.setListed(t, true)
	}
}

// Change gives a topic those options that are set and that a topic may change.
func (h *Hub) Change(t *Topic, o bind.TopicOptions) {
	if !t.registered {
		return
	}
	if o.Listed != nil {
		h.setListed(t, *o.Listed)
	}
	t.setOptions(o)
}

// setListed adds a topic to the listed ones, or removes it from them, and tells all clients.
func (h *Hub) setListed(t *Topic, listed bool) {
	if t.listed == listed {
		return
	}
	t.listed = listed
	i, _ := slices.BinarySearchFunc(h.topics.listed, t.name, compareName)
	if listed {
		h.topics.listed = slices.Insert(h.topics.listed, i, t)
	} else {
		h.topics.listed = slices.Delete(h.topics.listed, i, i+1)
	}
	h.updates.Schedule(&h.topics.update)
}

// compareName orders topics by name.
func compareName(t *Topic, name string) int { return cmp.Compare(t.name, name) }

// FindTopic returns the topic that has this name or UUID, or nil.
func (h *Hub) FindTopic(nameOrUUID string) *Topic {
	return cmp.Or(h.topics.byUUID[nameOrUUID], h.topics.byName[nameOrUUID])
}

// HasTopic reports whether there is a topic of that name.
func (h *Hub) HasTopic(name string) bool { return h.topics.byName[name] != nil }

// CheckTopics returns an error if the hub's topics and n pending ones have reached limits.topics.
func (h *Hub) CheckTopics(n int) error {
	return h.checkTopics("limits.topics", "topics", len(h.topics.byName)+n, h.options.Limits.Topics)
}

// CheckListed returns an error if the hub's listed topics and n pending ones have reached limits.listed_topics.
func (h *Hub) CheckListed(n int) error {
	return h.checkTopics("limits.listed_topics", "listed topics", len(h.topics.listed)+n, h.options.Limits.ListedTopics)
}

func (h *Hub) checkTopics(setting, what string, n, most int) error {
	if most > 0 && n >= most {
		h.refusals.Log(setting, most)
		return fmt.Errorf("there are %d %s already (%s)", most, what, setting)
	}
	return nil
}

// Topics returns all topics, sorted by name. The slice is the caller's.
func (h *Hub) Topics() []*Topic {
	return slices.SortedFunc(h.EachTopic(), func(a, b *Topic) int { return compareName(a, b.name) })
}

// EachTopic returns all topics in any order.
func (h *Hub) EachTopic() iter.Seq[*Topic] { return maps.Values(h.topics.byName) }

// Unregister removes a topic. Its subscribers are sent UpdateSubscriptions and, if it was listed, all clients UpdateTopics.
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
	t.setHistory(0)
	t.setPresence(false)
	h.setListed(t, false)
}

// sendTopics sends the listed topics to all clients.
func (h *Hub) sendTopics() {
	if len(h.connections) == 0 {
		return
	}
	f, err := h.Encode(updateTopics, h.listedTopics())
	if err != nil {
		h.log.Error("hub: a message cannot be encoded", "name", updateTopics, "error", err)
		return
	}
	h.Broadcast(f)
}

// SendTopics sends a new connection the listed topics, if there are any.
func (h *Hub) SendTopics(c *Connection) {
	if len(h.topics.listed) > 0 && !h.topics.update.Due() { // one that is due goes to everybody
		c.SendOrLog(updateTopics, h.listedTopics())
	}
}

// SendAgain sends a connection whose page was loaded anew what a page needs of topics: the listed ones, and presence and history
// of those that it subscribes to.
func (h *Hub) SendAgain(c *Connection) {
	h.SendTopics(c)
	if len(c.subscriptions) == 0 {
		return
	}
	for _, t := range c.subscriptions {
		t.welcome(c)
	}
	h.updates.Schedule(&c.subscriptionsUpdate)
}

const updateTopics = "UpdateTopics"

func (h *Hub) listedTopics() wire.Members {
	return wire.Members{{Name: "topics", Value: topicObject(h.topics.listed)}}
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

// Access returns who may subscribe.
func (t *Topic) Access() bind.TopicAccess { return t.access }

// Listed implements bind.Topic.
func (t *Topic) Listed() bool { return t.listed }

// HistoryLimit returns how many messages the topic keeps at most.
func (t *Topic) HistoryLimit() int {
	if t.history == nil {
		return 0
	}
	return t.history.Limit()
}

// setHistory sets how many messages the topic keeps from now on. 0 drops all of them.
func (t *Topic) setHistory(n int) {
	if t.history == nil && n > 0 {
		if t.previous != nil {
			t.history = t.previous.TakeHistory()
		}
		if t.history == nil {
			t.history = t.hub.topics.histories.Start(t.name)
		}
	}
	if t.history != nil {
		t.history.SetLimit(n)
		if n == 0 {
			t.history = nil
		}
	}
}

// History implements bind.Topic.
func (t *Topic) History() [][]byte {
	if t.history == nil {
		return nil
	}
	frames := t.history.Frames()
	texts := make([][]byte, len(frames))
	for i, f := range frames {
		texts[i] = f.Payload()
	}
	return texts
}

// HistoryBytes returns how many bytes the histories of all topics take. It may be called by any goroutine.
func (h *Hub) HistoryBytes() int64 { return h.topics.histories.Bytes() }

// HasPresence reports whether the topic has a presence.
func (t *Topic) HasPresence() bool { return t.presence != nil }

// Discard marks a topic that will not be added as removed.
func (t *Topic) Discard() {
	t.registered = false
	if t.previous != nil {
		t.hub.topics.previous.Return(t.name, t.previous, t.history)
	}
}

// TakesMessages reports whether the topic has subscribers, may have some after the deferred subscriptions, or keeps messages.
func (t *Topic) TakesMessages() bool {
	return t.deferAct != nil || len(t.subscribers) > 0 || t.history != nil
}

// Publish sends a frame of Encode to the subscribers, and keeps it if the topic has a history. New subscribers are sent the
// history before the frame.
func (t *Topic) Publish(f *outbox.Frame) {
	due := t.newSubscribers
	t.newSubscribers = nil
	for _, c := range due {
		t.hub.updates.SendNow(&c.subscriptionsUpdate)
	}
	t.publish(f)
	t.Remember(f)
}

// Remember keeps a frame of Encode for later subscribers, without sending it, if the topic has a history.
func (t *Topic) Remember(f *outbox.Frame) {
	if t.history != nil {
		t.history.Add(f)
	}
}

// Allows implements bind.Topic.
func (t *Topic) Allows(client bind.Client) bool {
	c, ok := client.(*Connection)
	return ok && c.May(t.access.Protection, t.access.Owner)
}
