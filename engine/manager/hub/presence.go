package hub

import (
	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub/presence"
	"perigee/engine/wire"
)

// topicPresence is the presence of a topic, and what its subscribers have to be told.
type topicPresence struct {
	*presence.Presence
	whole     *outbox.Frame // UpdatePresence; nil if users have changed since
	scheduled bool          // the topic is in topics.presenceChanged
}

// setPresence starts or ends the presence of a topic. Its subscribers are sent those who are present.
func (t *Topic) setPresence(on bool) {
	if on == (t.presence != nil) {
		return
	}
	if !on {
		t.presence = nil
		return
	}
	t.presence = &topicPresence{Presence: presence.New()}
	for _, c := range t.subscribers {
		t.presence.Count(c.User(), 1)
	}
	t.presence.TakeChanges() // the subscribers are sent the whole
	if f := t.wholePresence(); f != nil && len(t.subscribers) > 0 {
		t.publish(f)
	}
}

// countPresence adds n connections of a user, and schedules PresenceChanged if the user has come or gone.
func (t *Topic) countPresence(user string, n int) {
	if p := t.presence; p != nil && p.Count(user, n) {
		p.whole = nil
		t.hub.schedulePresence(t)
	}
}

// changePresence counts the subscriptions of a connection whose user changes.
func (c *Connection) changePresence(from, to string) {
	for _, t := range c.subscriptions {
		t.countPresence(from, -1)
		t.countPresence(to, 1)
	}
}

// schedulePresence has the subscribers of a topic told, together with further changes of the next interval of the roster.
func (h *Hub) schedulePresence(t *Topic) {
	if t.presence.scheduled {
		return
	}
	t.presence.scheduled = true
	h.topics.presenceChanged = append(h.topics.presenceChanged, t)
	if len(h.topics.presenceChanged) == 1 {
		h.loop.After(h.roster.Interval(), "presence", h.sendPresence)
	}
}

// sendPresence tells the subscribers of topics who has come and left.
func (h *Hub) sendPresence() {
	topics := h.topics.presenceChanged
	h.topics.presenceChanged = nil
	for _, t := range topics {
		p := t.presence
		if p == nil || !p.scheduled || !t.registered {
			continue
		}
		p.scheduled = false
		joined, left := p.TakeChanges()
		if len(joined) == 0 && len(left) == 0 {
			continue
		}
		f := t.encodePresence("PresenceChanged",
			wire.Member{Name: "joined", Value: wire.Texts(joined)}, wire.Member{Name: "left", Value: wire.Texts(left)})
		if f != nil {
			t.publish(f)
		}
	}
}

// wholePresence returns the frame that lists all who are present.
func (t *Topic) wholePresence() *outbox.Frame {
	if p := t.presence; p.whole == nil {
		p.whole = t.encodePresence("UpdatePresence", wire.Member{Name: "users", Value: wire.Texts(p.Show())})
	}
	return t.presence.whole
}

// encodePresence returns a frame about the presence of the topic. An error is logged, and the frame is nil.
func (t *Topic) encodePresence(name string, members ...wire.Member) *outbox.Frame {
	f, err := t.hub.Encode(name, append(wire.Members{{Name: "topic", Value: t.name}}, members...))
	if err != nil {
		t.hub.log.Error("hub: a message cannot be encoded", "name", name, "error", err)
	}
	return f
}

// Presence implements bind.Topic.
func (t *Topic) Presence() []string {
	if t.presence == nil {
		return nil
	}
	return t.presence.Users()
}
