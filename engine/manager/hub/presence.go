package hub

import (
	"slices"
	"strings"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// presence says which users are present in a topic: those with a connection that subscribes to it.
type presence struct {
	users   []presentUser   // sorted by user
	before  map[string]bool // users that came or left since the last PresenceChanged: whether they were present then
	whole   *outbox.Frame   // UpdatePresence; nil if users have changed since
	changed bool            // the topic is in topics.presenceChanged
}

// presentUser is a user with the number of its connections.
type presentUser struct {
	user        string
	connections int
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
	t.presence = &presence{before: map[string]bool{}}
	for _, c := range t.subscribers {
		t.countPresence(c.User(), 1)
	}
	clear(t.presence.before) // the subscribers are sent the whole
	if f := t.wholePresence(); f != nil && len(t.subscribers) > 0 {
		t.hub.publisher.Publish(t.id, f)
	}
}

// countPresence adds n connections of a user, "" for connections without one. A user is present with the first, and gone with the
// last.
func (t *Topic) countPresence(user string, n int) {
	p := t.presence
	if p == nil || user == "" {
		return
	}
	i, present := p.find(user)
	if present {
		p.users[i].connections += n
		if p.users[i].connections > 0 {
			return
		}
		p.users = slices.Delete(p.users, i, i+1)
	} else {
		p.users = slices.Insert(p.users, i, presentUser{user, n})
	}
	p.whole = nil
	if _, noted := p.before[user]; !noted {
		p.before[user] = present
	}
	t.hub.schedulePresence(t)
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
	if t.presence.changed {
		return
	}
	t.presence.changed = true
	h.topics.presenceChanged = append(h.topics.presenceChanged, t)
	if len(h.topics.presenceChanged) == 1 {
		h.loop.After(h.roster.interval, "presence", h.sendPresence)
	}
}

// sendPresence tells the subscribers of topics who has come and left.
func (h *Hub) sendPresence() {
	topics := h.topics.presenceChanged
	h.topics.presenceChanged = nil
	for _, t := range topics {
		p := t.presence
		if p == nil || !p.changed || !t.registered {
			continue
		}
		p.changed = false
		var joined, left texts
		for user, before := range p.before {
			_, present := p.find(user)
			if present && !before {
				joined = append(joined, user)
			} else if before && !present {
				left = append(left, user)
			}
		}
		clear(p.before)
		if len(joined) == 0 && len(left) == 0 {
			continue
		}
		slices.Sort(joined)
		slices.Sort(left)
		if f := t.encodePresence("PresenceChanged", wire.Member{Name: "joined", Value: joined}, wire.Member{Name: "left", Value: left}); f != nil {
			h.publisher.Publish(t.id, f)
		}
	}
}

// find returns the index of a user who is present, or that at which it would be inserted.
func (p *presence) find(user string) (i int, present bool) {
	return slices.BinarySearchFunc(p.users, user, func(u presentUser, user string) int { return strings.Compare(u.user, user) })
}

// wholePresence returns the frame that lists all who are present.
func (t *Topic) wholePresence() *outbox.Frame {
	if p := t.presence; p.whole == nil {
		p.whole = t.encodePresence("UpdatePresence", wire.Member{Name: "users", Value: texts(t.Presence())})
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
	users := make([]string, len(t.presence.users))
	for i, u := range t.presence.users {
		users[i] = u.user
	}
	return users
}
