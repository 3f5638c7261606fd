package history

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/testkit"
)

func add(h *History, texts ...string) {
	for _, text := range texts {
		h.Add(outbox.NewFrame([]byte(text)))
	}
}

// start returns an empty history that keeps n messages.
func start(all *Histories, topic string, n int) *History {
	h := all.Start(topic)
	h.SetLimit(n)
	return h
}

func kept(h *History) string {
	var texts []string
	for _, f := range h.Frames() {
		texts = append(texts, string(f.Payload()[:min(len(f.Payload()), 10)]))
	}
	return strings.Join(texts, " ")
}

// A history keeps as many of the latest messages as its limit says, and at most 1 MiB. The sum of all histories is exact.
func TestHistory(t *testing.T) {
	all := New(0, logging.NewRefusals(slog.New(slog.DiscardHandler)))
	news := start(all, "news", 3)
	check := func(why, want string, bytes int) {
		t.Helper()
		if got := kept(news); got != want || all.Bytes() != int64(bytes) {
			t.Errorf("%s: kept %q and %d bytes, want %q and %d", why, got, all.Bytes(), want, bytes)
		}
	}
	add(news, "a", "b", "c", "d")
	check("four of three", "b c d", 3*(1+frameOverhead))
	news.SetLimit(2)
	check("reduced to two", "c d", 2*(1+frameOverhead))
	large := strings.Repeat("x", maxBytes/2-2*frameOverhead)
	add(news, large)
	check("a large one", "d xxxxxxxxxx", 1+len(large)+2*frameOverhead)
	add(news, large+"x")
	check("a second large one", "xxxxxxxxxx xxxxxxxxxx", 2*len(large)+1+2*frameOverhead)
	add(news, strings.Repeat("y", maxBytes))
	check("one that is too large", "", 0)
	add(news, "e")
	news.SetLimit(0)
	check("switched off", "", 0)
}

// Beyond limits.history_memory the largest history loses its older half, and the log says so once.
func TestHistoryMemory(t *testing.T) {
	var log testkit.LogBuffer
	size := 10 + frameOverhead
	all := New(config.Size(12*size), logging.NewRefusals(slog.New(slog.NewTextHandler(&log, nil))))
	text := func(i int) string { return fmt.Sprintf("%010d", i) }
	small, large := start(all, "small", 100), start(all, "large", 100)
	for i := range 4 {
		add(small, text(i))
	}
	for i := range 8 {
		add(large, text(i))
	}
	if len(small.Frames()) != 4 || len(large.Frames()) != 8 || log.String() != "" {
		t.Errorf("at the limit: %d and %d messages, log %q, want 4, 8 and nothing", len(small.Frames()), len(large.Frames()), log.String())
	}
	add(small, text(4))
	if got := kept(large); len(small.Frames()) != 5 || got != strings.Join([]string{text(4), text(5), text(6), text(7)}, " ") {
		t.Errorf("beyond the limit: %d messages and %q, want 5 and the newer half", len(small.Frames()), got)
	}
	for i := range 100 {
		add(large, text(i))
		add(start(all, text(i), 10), text(i))
		if all.Bytes() > int64(12*size) {
			t.Fatalf("%d bytes are kept, want at most %d", all.Bytes(), 12*size)
		}
	}
	if n := strings.Count(log.String(), "setting=limits.history_memory"); n != 1 {
		t.Errorf("the log has %d lines about the limit, want 1: %s", n, log.String())
	}
}
