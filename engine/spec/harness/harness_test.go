package harness

import (
	"slices"
	"testing"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// The clock runs alarms in the order of their times, those of the same time in the order in which they were set.
func TestClock(t *testing.T) {
	c := &clock{now: StartTime()}
	var rang []string
	alarm := func(name string, after time.Duration) (stop func() bool) {
		return c.AfterFunc(after, func() { rang = append(rang, name) })
	}
	alarm("late", 3*time.Second)
	alarm("first", time.Second)
	stop := alarm("never", time.Second)
	alarm("second", time.Second)
	alarm("now", -time.Second)
	if !stop() || stop() {
		t.Error("stop of an alarm twice = false, or true, want true and then false")
	}
	for c.step(StartTime().Add(2 * time.Second)) {
		continue
	}
	if want := []string{"now", "first", "second"}; !slices.Equal(rang, want) || !c.Now().Equal(StartTime().Add(time.Second)) {
		t.Errorf("in two seconds %q rang, the last at %s, want %q and the first second", rang, c.Now(), want)
	}
}

// A connection has its frames in order, only the last of those that replace each other, and none after it is closed.
func TestConn(t *testing.T) {
	s := &Conn{topics: map[outbox.TopicID]bool{}}
	s.Send(outbox.NewFrame([]byte("a")))
	s.SendLatest(outbox.NewFrame([]byte("roster 1")))
	s.Send(outbox.NewFrame([]byte("b")))
	s.SendLatest(outbox.NewFrame([]byte("roster 2")))
	if first := s.Peek(); string(first) != "a" {
		t.Errorf("Peek = %q, want a", first)
	}
	s.Close(wire.CloseNormal("the first"))
	s.Close(wire.CloseNormal("the second"))
	s.Send(outbox.NewFrame([]byte("too late")))
	var received []string
	for text := s.Take(); text != nil; text = s.Take() {
		received = append(received, string(text))
	}
	if want := []string{"a", "b", "roster 2"}; !slices.Equal(received, want) || s.Closed().Reason != "the first" {
		t.Errorf("received %q and was closed with %s, want %q and the first", received, s.Closed(), want)
	}
}

// In the URL of a stub * matches any text, also none.
func TestMatchesURL(t *testing.T) {
	const url = "http://weather.test/bern?now"
	for pattern, want := range map[string]bool{
		url: true, "*": true, "http://weather.test/*": true, "*/bern?now*": true, "*bern*n*w": true,
		"": false, "http://weather.test/": false, "*bern": false, "http://*.test": false, "b*": false,
	} {
		if got := matchesURL(pattern, url); got != want {
			t.Errorf("matchesURL(%q, %q) = %v, want %v", pattern, url, got, want)
		}
	}
}
