package manager

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A connection shows its attributes in the order of setting, then the server's fields by name, without what is unknown.
func TestConnectionJSON(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		_, c := r.open()
		at := time.Now().Unix()
		r.turn(func() {
			plain := fmt.Sprintf(`{"admin":false,"ip_address":"192.0.2.7","notifications":{},"resource_id":1,`+
				`"subscriptions":{},"timestamp":%d,"type":"anonymous","uuid":%q}`, at, c.uuid)
			if got, err := c.AppendJSON(nil); string(got) != plain || err != nil {
				r.Errorf("new connection = %s, %v, want %s", got, err, plain)
			}
			r.must(c.SetAttribute("zeal", wire.Raw(`[1]`)))
			r.must(c.SetAttribute("gone", wire.Raw(`1`)))
			r.must(c.SetAttribute("age", wire.Raw(`42`)))
			r.must(c.SetAttribute("zeal", wire.Raw(`[2]`)))
			r.must(c.SetAttribute("gone", nil))
			r.must(c.SetAttribute("never", nil))
			c.SetName("Bo \"B\"")
			c.SetEmail("bo@example.com")
			c.SetType("player")
			c.SetAdmin(true)
			c.Notify("s1")
			topic, err := r.h.Register("news", script.TopicOptions{})
			r.must(err)
			r.must(topic.Subscribe(c))
			want := fmt.Sprintf(`{"zeal":[2],"age":42,"admin":true,"email":"bo@example.com","ip_address":"192.0.2.7","name":"Bo \"B\"",`+
				`"notifications":{"s1":{"sender":"s1","timestamp":%d,"uuid":%q}},"resource_id":1,`+
				`"subscriptions":{%q:{"name":"news","subscribers":1,"uuid":%q}},"timestamp":%d,"type":"player","uuid":%q}`,
				at, c.notifications[0].uuid, topic.UUID(), topic.UUID(), at, c.uuid)
			if got, err := c.AppendJSON(nil); string(got) != want || err != nil {
				r.Errorf("connection = %s, %v, want %s", got, err, want)
			}
			if c.Attribute("gone") != nil || c.Attribute("age") == nil {
				r.Errorf("Attribute: gone = %v, age = %v, want only age", c.Attribute("gone"), c.Attribute("age"))
			}
		})
	})
}

// A new connection hears first what its open hook says, and nothing that was said to all before.
func TestOpen(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.app.open = func(c script.Client) error {
			return r.send(c, "ConnectionEstablished", wire.Members{{Name: "connection", Value: c}})
		}
		early := r.newSocket()
		r.turn(func() { r.must(r.h.Broadcast("News", nil)) })
		r.m.Attach(early)
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
		r.m.Detach(s, wire.CloseNormal("peer"))
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
		s, _ := r.open()
		r.m.Detach(s, wire.CloseNormal("bye"))
		r.m.Detach(s, wire.CloseNormal("bye"))
		synctest.Wait()
		if len(heard) != 1 || heard[0] != "bye false 0" {
			r.Errorf("close hook heard %q, want once: bye, not open, no connection", heard)
		}
		if len(r.m.sockets)+len(r.m.uuids)+len(r.m.order) != 0 {
			r.Errorf("something of the connection is left: %v %v %v", r.m.sockets, r.m.uuids, r.m.order)
		}
	})
}

// A connection keeps one notification a sender, and only the latest thousand.
func TestNotifications(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		_, c := r.open()
		r.turn(func() {
			c.Notify("a")
			first := c.notifications[0].uuid
			c.Notify("b")
			c.Notify("a")
			if len(c.notifications) != 2 || c.notifications[0].uuid == first {
				r.Errorf("after a, b, a: %v, want two, a's a new one", c.notifications)
			}
			for i := range maxNotifications {
				c.Notify(fmt.Sprint(i))
			}
			if len(c.notifications) != maxNotifications || c.notifications[0].sender != "0" {
				r.Errorf("after many: %d from %s on, want %d from 0 on", len(c.notifications), c.notifications[0].sender, maxNotifications)
			}
			c.Dismiss()
			if got, err := c.Notifications().AppendJSON(nil); string(got) != "{}" || err != nil {
				r.Errorf("after Dismiss: %s, %v, want {}", got, err)
			}
		})
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
			r.m.Attach(s)
			for range messages {
				r.m.Receive(s, []byte(`{"name":"Count"}`))
			}
			r.m.Detach(s, wire.CloseNormal(""))
		})
	}
	wg.Wait()
	r.turn(func() {})
	if handled != clients*messages || len(r.m.order) != 0 {
		t.Errorf("handled %d messages, %d connections left, want %d and 0", handled, len(r.m.order), clients*messages)
	}
}

// What the application keeps with a client has bounds, one field and all together; what is refused changes nothing. What
// grows inside of a table that is set already is refused when it is shown.
func TestAttributeBounds(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		_, c := r.open()
		text := func(size int) wire.Value { return wire.Raw(`"` + strings.Repeat("x", size) + `"`) }
		r.turn(func() {
			if err := c.SetAttribute("a", text(64<<10)); err == nil || !strings.Contains(err.Error(), "64 KiB") || c.Attribute("a") != nil {
				r.Errorf("SetAttribute of more than 64 KiB = %v, kept %t, want an error, and nothing kept", err, c.Attribute("a") != nil)
			}
			for _, name := range []string{"a", "b", "c", "d"} {
				r.must(c.SetAttribute(name, text(60<<10)))
			}
			r.must(c.SetAttribute("a", text(61<<10))) // in the place of what it was
			if err := c.SetAttribute("e", text(60<<10)); err == nil || !strings.Contains(err.Error(), "256 KiB") || c.Attribute("e") != nil {
				r.Errorf("SetAttribute of the fifth 60 KiB = %v, kept %t, want an error, and nothing kept", err, c.Attribute("e") != nil)
			}
			r.must(c.SetAttribute("b", nil))
			r.must(c.SetAttribute("e", text(60<<10)))
			c.attributes[0].value = text(script.MaxRow)
			if _, err := c.AppendJSON(nil); err == nil || !strings.Contains(err.Error(), "1024 KiB") {
				r.Errorf("AppendJSON of a field that has grown = %v, want that it is more than 1024 KiB", err)
			}
		})
	})
}
