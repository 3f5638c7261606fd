package hub

import (
	"errors"
	"io"
	"slices"

	"perigee/engine/manager/hub/saved"
)

// SaveTopics writes the topics that clients know and those that keep messages, for the RestoreTopics of the next server. It is called
// after the loop and the broker have ended.
func (h *Hub) SaveTopics(to io.Writer) error {
	w, err := saved.NewWriter[saved.Topic](to)
	faults := []error{err}
	for t := range h.EachTopic() {
		messages := t.History()
		if !t.listed && len(t.subscribers) == 0 && len(messages) == 0 {
			continue
		}
		form := saved.Topic{
			Name: t.name, UUID: t.uuid, Protection: t.access.Protection.String(), Owner: t.access.Owner, Listed: t.listed,
		}
		if t.presence != nil {
			form.Present, form.Unsure = t.presence.Told()
		}
		for _, text := range messages {
			form.Messages = append(form.Messages, text)
		}
		faults = append(faults, w.Write(&form))
	}
	return errors.Join(faults...)
}

// RestoreTopics has topics that are registered later continue those of SaveTopics: one of the same name, for the same clients, has the
// UUID and the messages of the previous server. It is called before the scripts load. If the text is damaged, the topics from there on
// are new.
func (h *Hub) RestoreTopics(from io.Reader) error {
	return h.topics.previous.Read(from, h.topics.histories)
}

// beginRestore is called before connections are restored. It schedules what their clients have to be told of topics.
func (h *Hub) beginRestore() {
	uuids := make([]string, len(h.topics.listed))
	for i, t := range h.topics.listed {
		uuids[i] = t.uuid
	}
	if !h.topics.previous.KnowsListed(uuids) {
		h.updates.Schedule(&h.topics.update)
	}
	for t := range h.EachTopic() {
		if t.presence != nil && t.isKnown() {
			t.presence.Restore(t.previous.Present, t.previous.Unsure)
			h.schedulePresence(t)
		}
	}
}

// isKnown reports whether subscribers of the previous server know all of the topic that they are told.
func (t *Topic) isKnown() bool {
	return t.previous != nil && (t.presence == nil || t.previous.Present != nil)
}

// subscribeRestored subscribes a restored connection to the topics of these names. It is told only what differs from before.
func (h *Hub) subscribeRestored(c *Connection, names []string) {
	for _, name := range slices.Sorted(slices.Values(names)) {
		t, err := h.topics.byName[name], error(nil)
		switch {
		case t == nil:
			c.subscriptionsChanged()
			continue
		case t.isKnown():
			err = t.add(c)
		default:
			err = t.Subscribe(c)
		}
		if err != nil { // the limit of subscriptions has become lower
			c.subscriptionsChanged()
		}
	}
}

// EndRestore is called once the connections of the previous server have been restored, or if there are none.
func (h *Hub) EndRestore() {
	h.topics.previous.KeepHistories()
	for t := range h.EachTopic() {
		t.previous = nil
	}
}
