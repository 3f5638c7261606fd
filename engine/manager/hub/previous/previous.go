// Package previous has the topics of the previous server, until the scripts register topics of the same names. It must not know the
// topics of this server.
//
// Everything in it belongs to the loop.
package previous

import (
	"fmt"
	"io"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub/history"
	"perigee/engine/manager/hub/saved"
	"perigee/engine/script/bind"
)

// Topics are those that no script has registered yet.
type Topics struct {
	byName map[string]*Topic
	listed map[string]bool // UUIDs of all that were listed; nil if they are unknown
}

// Topic is what the next topic of the same name, for the same clients, takes over.
type Topic struct {
	UUID string
	// Present are the users of whom all subscribers were told that they are present, Unsure those of whom only some were. Present is nil
	// if the topic had no presence.
	Present, Unsure []string

	access  bind.TopicAccess
	history *history.History // nil if it kept nothing
}

// Read adds the topics of a text of package saved. If the text is damaged, those from there on are left out.
func (t *Topics) Read(from io.Reader, all *history.Histories) error {
	r, err := saved.NewReader[saved.Topic](from)
	if err != nil {
		return err
	}
	t.byName, t.listed = map[string]*Topic{}, map[string]bool{}
	for {
		form, err := r.Read()
		if form == nil {
			return err
		}
		protection, err := auth.ParseProtection(form.Protection)
		if err != nil || form.UUID == "" || t.byName[form.Name] != nil {
			return saved.Damaged(fmt.Errorf("topic %q", form.Name))
		}
		if form.Listed {
			t.listed[form.UUID] = true
		}
		topic := &Topic{UUID: form.UUID, Present: form.Present, Unsure: form.Unsure, access: bind.TopicAccess{Protection: protection, Owner: form.Owner}}
		if len(form.Messages) > 0 {
			topic.history = all.Start(form.Name)
			topic.history.SetLimit(len(form.Messages))
			for _, text := range form.Messages {
				topic.history.Add(outbox.NewFrame(text))
			}
		}
		t.byName[form.Name] = topic
	}
}

// Take takes out the topic of this name, if those who may subscribe are the same; else it returns nil.
func (t *Topics) Take(name string, access bind.TopicAccess) *Topic {
	topic := t.byName[name]
	if topic == nil || topic.access != access {
		return nil
	}
	delete(t.byName, name)
	return topic
}

// Return puts back a topic that was taken out, whose scripts do not run after all. kept is its history, if it was taken.
func (t *Topics) Return(name string, topic *Topic, kept *history.History) {
	if kept != nil {
		topic.history = kept
	}
	t.byName[name] = topic
}

// Drop forgets the topic of this name, if there is one: another topic has its name.
func (t *Topics) Drop(name string) {
	if topic := t.byName[name]; topic != nil {
		topic.DropHistory()
		delete(t.byName, name)
	}
}

// KeepHistories forgets all but the topics with messages, for scripts that register topics when they need them.
func (t *Topics) KeepHistories() {
	t.listed = nil
	for name, topic := range t.byName {
		topic.Present, topic.Unsure = nil, nil
		if topic.history == nil {
			delete(t.byName, name)
		}
	}
}

// KnowsListed reports whether clients know exactly the listed topics with these UUIDs.
func (t *Topics) KnowsListed(uuids []string) bool {
	if t.listed == nil || len(uuids) != len(t.listed) {
		return false
	}
	for _, uuid := range uuids {
		if !t.listed[uuid] {
			return false
		}
	}
	return true
}

// TakeHistory returns the messages of the topic, once; nil if it has none.
func (t *Topic) TakeHistory() *history.History {
	kept := t.history
	t.history = nil
	return kept
}

// DropHistory drops the messages, unless they were taken.
func (t *Topic) DropHistory() {
	if kept := t.TakeHistory(); kept != nil {
		kept.SetLimit(0)
	}
}
