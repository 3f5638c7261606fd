package manager

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A new connection hears first what its open hook says, and nothing that was said to all before.
func TestOpen(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.app.open = func(c script.Client) error {
			return r.send(c, "ConnectionEstablished", wire.Members{{Name: "connection", Value: c}})
		}
		early := r.newSocket()
		r.turn(func() { r.must(r.h.Broadcast("News", nil)) })
		r.m.Open(early)
		r.turn(func() { r.must(r.h.Broadcast("News", nil)) })
		early.hears(r, "open", "ConnectionEstablished", "UpdateConnections", "News")
		r.turn(func() {
			all := r.h.Connections()
			if len(all) != 1 || r.h.Connection(all[0].UUID()) != all[0] || r.h.Connection("nobody") != nil {
				r.Errorf("Connections = %v, want the one that Connection finds by its UUID", all)
			}
		})
	})
}

// A connection that the server closes leaves at once, once, and is deaf and mute from then on.
func TestClose(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Free", Protection: auth.None})
	}, func(r *rig) {
		var reasons []string
		r.app.closed = func(c script.Client, reason string) error {
			reasons = append(reasons, reason)
			c.SetName("ghost")
			r.must(c.SetAttribute("a", wire.Raw("1")))
			c.Notify("x")
			return r.send(c, "Bye", nil)
		}
		s, c := r.open()
		other, _ := r.open()
		r.quiet()
		r.turn(func() {
			topic, err := r.h.Register("news", script.TopicOptions{})
			r.must(err)
			r.must(topic.Subscribe(c))
			r.must(r.send(c, "Last", nil))
			for _, code := range []int{999, 1005, 1006, 1015, 2999, 5000} {
				if err := r.h.Close(c, code, ""); err == nil || len(s.ends()) > 0 {
					r.Errorf("Close(%d) = nil, want an error and an open connection", code)
				}
			}
			r.must(r.h.Close(c, 4000, strings.Repeat("é", 100)))
			r.must(r.h.Close(c, 0, "again"))
			if c.Open() || len(r.h.Connections()) != 1 || topic.Count() != 0 || len(c.Subscriptions()) != 0 {
				r.Errorf("after Close: open %v, %d connections, %d subscribers, want gone from everything",
					c.Open(), len(r.h.Connections()), topic.Count())
			}
			r.must(r.send(c, "Late", nil))
			r.must(topic.Subscribe(c))
			r.must(r.h.Send([]script.Client{c}, "Late", nil))
			if len(reasons) != 0 {
				r.Errorf("close hook ran with %q within the turn that closed, want in one of its own", reasons)
			}
		})
		r.say(s, `{"name":"Free"}`)
		r.m.Closed(s, wire.CloseNormal("peer"))
		synctest.Wait()
		s.hears(r, "closed", "UpdateTopics", "UpdateSubscriptions", "Last")
		other.hears(r, "the others", "UpdateTopics", "UpdateConnections")
		want := strings.Repeat("é", 61)
		if len(reasons) != 1 || reasons[0] != want || len(s.ends()) != 1 || s.ends()[0] != (wire.Close{Code: 4000, Reason: want}) {
			r.Errorf("closed with %v, hook heard %q, want once 4000 with 122 bytes of the reason", s.ends(), reasons)
		}
	})
}

// A connection that the client ends is gone when the close hook runs.
func TestDetach(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		var heard []string
		r.app.closed = func(c script.Client, reason string) error {
			heard = append(heard, fmt.Sprint(reason, " ", c.Open(), " ", len(r.h.Connections())))
			return nil
		}
		s, c := r.open()
		r.m.Closed(s, wire.CloseNormal("bye"))
		r.m.Closed(s, wire.CloseNormal("bye"))
		synctest.Wait()
		if len(heard) != 1 || heard[0] != "bye false 0" {
			r.Errorf("close hook heard %q, want once: bye, not open, no connection", heard)
		}
		if of, found, all := r.m.hub.ByConn(s), r.m.hub.ByUUID(c.UUID()), r.m.hub.All(); of != nil || found != nil || len(all) != 0 {
			r.Errorf("something of the connection is left: %v %v %v", of, found, all)
		}
	})
}

// Any number of goroutines may bring connections, messages and closes at once.
func TestManyAtOnce(t *testing.T) {
	r := newRig(t, defaults())
	handled := 0
	r.install(func(h script.Host) {
		register(t, h, script.Message{Name: "Count", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
			handled++
			return r.send(c, "Counted", nil)
		}})
	})
	const clients, messages = 50, 40
	var wg sync.WaitGroup
	for range clients {
		s := r.newSocket()
		wg.Go(func() {
			r.m.Open(s)
			for range messages {
				r.m.Message(s, []byte(`{"name":"Count"}`))
			}
			r.m.Closed(s, wire.CloseNormal(""))
		})
	}
	wg.Wait()
	r.turn(func() {})
	if handled != clients*messages || len(r.m.hub.All()) != 0 {
		t.Errorf("handled %d messages, %d connections left, want %d and 0", handled, len(r.m.hub.All()), clients*messages)
	}
}
