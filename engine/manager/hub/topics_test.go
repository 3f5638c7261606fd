package hub

import (
	"testing"

	"perigee/engine/broker/outbox"
	"perigee/engine/script/bind"
)

// nowhere is a publisher that discards everything.
type nowhere struct{}

func (nowhere) Publish(outbox.TopicID, *outbox.Frame) {}

// A topic keeps messages while its options say so, and none once it has been removed.
func TestTopicHistory(t *testing.T) {
	h := newHub(t, 0)
	h.SetPublisher(nowhere{})
	topic := h.NewTopic("news", bind.TopicOptions{}, nil)
	h.AddTopic(topic)
	check := func(when string, limit, kept int) {
		t.Helper()
		topic.Publish(outbox.NewFrame([]byte("a")))
		if topic.HistoryLimit() != limit || len(topic.History()) != kept || (h.HistoryBytes() == 0) != (kept == 0) {
			t.Errorf("%s: limit %d, %d messages kept in %d bytes, want %d and %d", when, topic.HistoryLimit(), len(topic.History()), h.HistoryBytes(), limit, kept)
		}
	}
	check("no history", 0, 0)
	h.Change(topic, bind.TopicOptions{History: new(2)})
	check("one message", 2, 1)
	check("two messages", 2, 2)
	check("three messages", 2, 2)
	h.Change(topic, bind.TopicOptions{History: new(0)})
	check("switched off", 0, 0)
	h.Change(topic, bind.TopicOptions{History: new(1)})
	check("switched on", 1, 1)
	h.Unregister(topic)
	check("removed", 0, 0)
	h.Change(topic, bind.TopicOptions{History: new(1), Listed: new(true)})
	check("changed after it was removed", 0, 0)
}
