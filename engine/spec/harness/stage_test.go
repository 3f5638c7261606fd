package harness

import (
	"slices"
	"testing"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// The clock calls what falls due in the order of time, and of one time in the order in which it was set; it never goes back.
func TestClock(t *testing.T) {
	c := &clock{now: began()}
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
		t.Error("stopping an alarm twice did not tell that only the first time did it")
	}
	for c.step(began().Add(2 * time.Second)) {
		continue
	}
	if want := []string{"now", "first", "second"}; !slices.Equal(rang, want) || !c.Now().Equal(began().Add(time.Second)) {
		t.Errorf("in two seconds %q rang, the last at %s, want %q and the first second", rang, c.Now(), want)
	}
}

// A client finds the frames in their order, of those that replace each other the last one, and none after its end.
func TestSocket(t *testing.T) {
	s := &Socket{topics: map[outbox.TopicID]bool{}}
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
	var heard []string
	for text := s.Take(); text != nil; text = s.Take() {
		heard = append(heard, string(text))
	}
	if want := []string{"a", "b", "roster 2"}; !slices.Equal(heard, want) || s.Closed().Reason != "the first" {
		t.Errorf("heard %q and was closed with %s, want %q and the first", heard, s.Closed(), want)
	}
}

// In the URL of an answer a * stands for anything, also for nothing.
func TestCovers(t *testing.T) {
	const url = "http://weather.test/bern?now"
	for pattern, want := range map[string]bool{
		url: true, "*": true, "http://weather.test/*": true, "*/bern?now*": true, "*bern*n*w": true,
		"": false, "http://weather.test/": false, "*bern": false, "http://*.test": false, "b*": false,
	} {
		if got := covers(pattern, url); got != want {
			t.Errorf("covers(%q, %q) = %v, want %v", pattern, url, got, want)
		}
	}
}
