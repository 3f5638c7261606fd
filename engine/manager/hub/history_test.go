package hub

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/script/bind"
	"perigee/engine/testkit"
)

// nowhere is a publisher that discards everything.
type nowhere struct{}

func (nowhere) Publish(outbox.TopicID, *outbox.Frame) {}

// withHistory adds a topic that keeps a number of messages.
func withHistory(h *Hub, name string, n int) *Topic {
	t := h.NewTopic(name, bind.TopicOptions{History: &n}, nil)
	h.AddTopic(t)
	return t
}

func publish(t *Topic, texts ...string) {
	for _, text := range texts {
		t.Publish(outbox.NewFrame([]byte(text)))
	}
}

func kept(t *Topic) string {
	var texts []string
	for _, text := range t.History() {
		texts = append(texts, string(text[:min(len(text), 10)]))
	}
	return strings.Join(texts, " ")
}

// A topic keeps as many of its latest messages as its options say, and at most 1 MiB. The sum of all histories is exact.
func TestHistory(t *testing.T) {
	h := newHub(t, 0)
	h.SetPublisher(nowhere{})
	check := func(topic *Topic, why, want string, bytes int) {
		t.Helper()
		if got := kept(topic); got != want || h.HistoryBytes() != int64(bytes) {
			t.Errorf("%s: kept %q and %d bytes, want %q and %d", why, got, h.HistoryBytes(), want, bytes)
		}
	}
	plain := withHistory(h, "plain", 0)
	publish(plain, "a")
	check(plain, "no history", "", 0)
	news := withHistory(h, "news", 3)
	publish(news, "a", "b", "c", "d")
	check(news, "four of three", "b c d", 3*(1+frameOverhead))
	h.Change(news, bind.TopicOptions{History: new(2)})
	check(news, "reduced to two", "c d", 2*(1+frameOverhead))
	large := strings.Repeat("x", maxHistoryBytes/2-2*frameOverhead)
	publish(news, large)
	check(news, "a large one", "d xxxxxxxxxx", 1+len(large)+2*frameOverhead)
	publish(news, large+"x")
	check(news, "a second large one", "xxxxxxxxxx xxxxxxxxxx", 2*len(large)+1+2*frameOverhead)
	publish(news, strings.Repeat("y", maxHistoryBytes))
	check(news, "one that is too large", "", 0)
	publish(news, "e")
	h.Change(news, bind.TopicOptions{History: new(0)})
	check(news, "switched off", "", 0)
	h.Change(news, bind.TopicOptions{History: new(1)})
	publish(news, "f")
	h.Unregister(news)
	check(news, "removed", "", 0)
	h.Change(news, bind.TopicOptions{History: new(1), Listed: new(true)})
	publish(news, "g")
	check(news, "changed after it was removed", "", 0)
}

// Beyond limits.history_memory the largest history loses its older half, and the log says so once.
func TestHistoryMemory(t *testing.T) {
	h := newHub(t, 0)
	h.SetPublisher(nowhere{})
	var log testkit.LogBuffer
	h.refusals = logging.NewRefusals(slog.New(slog.NewTextHandler(&log, nil)))
	size := 10 + frameOverhead
	h.options.Limits.HistoryMemory = config.Size(12 * size)
	text := func(i int) string { return fmt.Sprintf("%010d", i) }
	small, large := withHistory(h, "small", 100), withHistory(h, "large", 100)
	for i := range 4 {
		publish(small, text(i))
	}
	for i := range 8 {
		publish(large, text(i))
	}
	if len(small.History()) != 4 || len(large.History()) != 8 || log.String() != "" {
		t.Errorf("at the limit: %d and %d messages, log %q, want 4, 8 and nothing", len(small.History()), len(large.History()), log.String())
	}
	publish(small, text(4))
	if got := kept(large); len(small.History()) != 5 || got != strings.Join([]string{text(4), text(5), text(6), text(7)}, " ") {
		t.Errorf("beyond the limit: %d messages and %q, want 5 and the newer half", len(small.History()), got)
	}
	for i := range 100 {
		publish(large, text(i))
		publish(withHistory(h, text(i), 10), text(i))
		if h.HistoryBytes() > int64(12*size) {
			t.Fatalf("%d bytes are kept, want at most %d", h.HistoryBytes(), 12*size)
		}
	}
	if n := strings.Count(log.String(), "setting=limits.history_memory"); n != 1 {
		t.Errorf("the log has %d lines about the limit, want 1: %s", n, log.String())
	}
}
