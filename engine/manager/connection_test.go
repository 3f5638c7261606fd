package manager

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A new connection first gets the messages of its open hook, and no earlier broadcast.
func TestOpen(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.app.open = func(c script.Client) error {
			return tm.send(c, "ConnectionEstablished", wire.Members{{Name: "connection", Value: c}})
		}
		early := tm.newSocket()
		tm.turn(func() { tm.must(tm.h.Broadcast("News", nil)) })
		tm.m.Open(early)
		tm.turn(func() { tm.must(tm.h.Broadcast("News", nil)) })
		early.hears(tm, "open", "ConnectionEstablished", "UpdateConnections", "News")
		tm.turn(func() {
			all := tm.h.Connections()
			if len(all) != 1 || tm.h.Connection(all[0].UUID()) != all[0] || tm.h.Connection("nobody") != nil {
				tm.Errorf("Connections = %v, want the one that Connection finds by its UUID", all)
			}
		})
	})
}

// A connection that the server closes is removed at once and closed once; after that it neither sends nor receives.
func TestClose(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Free", Protection: auth.None})
	}, func(tm *testManager) {
		var reasons []string
		tm.app.closed = func(c script.Client, reason string) error {
			reasons = append(reasons, reason)
			c.SetName("ghost")
			tm.must(c.SetAttribute("a", wire.Raw("1")))
			c.Notify("x")
			return tm.send(c, "Bye", nil)
		}
		s, c := tm.open()
		other, _ := tm.open()
		tm.quiet()
		tm.turn(func() {
			topic, err := tm.h.Register("news", listed())
			tm.must(err)
			tm.must(topic.Subscribe(c))
			tm.must(tm.send(c, "Last", nil))
			for _, code := range []int{999, 1005, 1006, 1015, 2999, 5000} {
				if err := tm.h.Close(c, code, ""); err == nil || len(s.ends()) > 0 {
					tm.Errorf("Close(%d) = nil, want an error and an open connection", code)
				}
			}
			tm.must(tm.h.Close(c, 4000, strings.Repeat("é", 100)))
			tm.must(tm.h.Close(c, 0, "again"))
			if c.Open() || len(tm.h.Connections()) != 1 || topic.Count() != 0 || len(c.Subscriptions()) != 0 {
				tm.Errorf("after Close: open %v, %d connections, %d subscribers, want gone from everything",
					c.Open(), len(tm.h.Connections()), topic.Count())
			}
			tm.must(tm.send(c, "Late", nil))
			tm.must(topic.Subscribe(c))
			tm.must(tm.h.Send([]script.Client{c}, "Late", nil))
			if len(reasons) != 0 {
				tm.Errorf("close hook ran with %q within the turn that closed, want in one of its own", reasons)
			}
		})
		tm.say(s, `{"name":"Free"}`)
		tm.m.Closed(s, wire.CloseNormal("peer"), broker.EndForGood)
		synctest.Wait()
		s.hears(tm, "closed", "UpdateTopics", "UpdateSubscriptions", "Last")
		other.hears(tm, "the others", "UpdateTopics", "UpdateConnections")
		want := strings.Repeat("é", 61)
		if len(reasons) != 1 || reasons[0] != want || len(s.ends()) != 1 || s.ends()[0] != (wire.Close{Code: 4000, Reason: want}) {
			tm.Errorf("closed with %v, hook heard %q, want once 4000 with 122 bytes of the reason", s.ends(), reasons)
		}
	})
}

// A connection that the client closes has been removed when the close hook runs.
func TestClosedByClient(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var heard []string
		tm.app.closed = func(c script.Client, reason string) error {
			heard = append(heard, fmt.Sprint(reason, " ", c.Open(), " ", len(tm.h.Connections())))
			return nil
		}
		s, c := tm.open()
		tm.m.Closed(s, wire.CloseNormal("bye"), broker.EndForGood)
		tm.m.Closed(s, wire.CloseNormal("bye"), broker.EndForGood)
		synctest.Wait()
		if len(heard) != 1 || heard[0] != "bye false 0" {
			tm.Errorf("close hook heard %q, want once: bye, not open, no connection", heard)
		}
		if of, found, all := tm.m.hub.ByConn(s), tm.m.hub.ByUUID(c.UUID()), tm.m.hub.All(); of != nil || found != nil || len(all) != 0 {
			tm.Errorf("something of the connection is left: %v %v %v", of, found, all)
		}
	})
}

// Any number of goroutines may call Open, Message and Closed at once.
func TestConcurrentReaders(t *testing.T) {
	tm := newTestManager(t, defaults())
	handled := 0
	tm.install(func(h script.Host) {
		register(t, h, script.Message{Name: "Count", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
			handled++
			return tm.send(c, "Counted", nil)
		}})
	})
	const clients, messages = 50, 40
	var wg sync.WaitGroup
	for range clients {
		s := tm.newSocket()
		wg.Go(func() {
			tm.m.Open(s)
			for range messages {
				tm.m.Message(s, []byte(`{"name":"Count"}`))
			}
			tm.m.Closed(s, wire.CloseNormal(""), broker.EndForGood)
		})
	}
	wg.Wait()
	tm.turn(func() {})
	if handled != clients*messages || len(tm.m.hub.All()) != 0 {
		t.Errorf("handled %d messages, %d connections left, want %d and 0", handled, len(tm.m.hub.All()), clients*messages)
	}
}
