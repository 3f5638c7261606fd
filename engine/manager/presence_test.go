package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A topic with presence tells a new subscriber who is present, and the others who has come and left: each user once, however many
// connections it has, and what happens within an interval together.
func TestPresence(t *testing.T) {
	o := rosterMode(config.RosterOff)
	inBubble(t, o, nil, func(tm *testManager) {
		sockets, clients := make([]*socket, 4), make([]*hub.Connection, 4)
		for i, user := range []string{"ann", "ann", "bob", ""} {
			s, c := tm.open()
			c.SetUser(user)
			sockets[i], clients[i] = s, c
		}
		var room script.Topic
		tm.turn(func() {
			var err error
			room, err = tm.h.Register("room", script.TopicOptions{Presence: new(true), History: new(1)})
			tm.must(err)
			tm.must(tm.h.Publish(room, "Said", nil))
			tm.must(room.Subscribe(clients[0]))
		})
		whole := [2]string{"UpdatePresence", `"topic":"room","users":["ann"]`}
		subscribed, said := [2]string{"UpdateSubscriptions", "room"}, [2]string{"Said", ""}
		tm.told("the first user", sockets[0].take(), subscribed, whole, said)
		tm.interval()
		tm.told("the first user, later", sockets[0].take(), [2]string{"PresenceChanged", `"topic":"room","joined":["ann"],"left":[]`})
		tm.turn(func() {
			tm.must(room.Subscribe(clients[1]))
			tm.must(room.Subscribe(clients[3]))
		})
		tm.told("its second connection", sockets[1].take(), subscribed, whole, said)
		tm.told("a connection without a user", sockets[3].take(), subscribed, whole, said)
		tm.interval()
		sockets[0].hears(tm, "a second connection, and one without a user")

		tm.turn(func() {
			room.Unsubscribe(clients[0])
			tm.must(room.Subscribe(clients[2]))
		})
		tm.turn(func() { clients[3].SetUser("cy") })
		tm.turn(func() {
			if got := fmt.Sprint(room.Presence()); got != "[ann bob cy]" {
				tm.Errorf("Presence() = %s, want ann, bob and cy", got)
			}
		})
		tm.interval()
		tm.told("two have come", sockets[1].take(), [2]string{"PresenceChanged", `"joined":["bob","cy"],"left":[]`})
		tm.turn(func() {
			clients[3].SetUser("di")
			clients[3].SetUser("cy")
			room.Unsubscribe(clients[2])
			tm.must(room.Subscribe(clients[2]))
		})
		sockets[2].take()
		tm.interval()
		sockets[1].hears(tm, "nothing has changed in the end")
		tm.turn(func() { clients[3].SetUser("") })
		tm.m.Closed(sockets[1], wire.CloseNormal(""), broker.EndForGood)
		tm.interval()
		tm.told("two have left", sockets[2].take(), [2]string{"PresenceChanged", `"joined":[],"left":["ann","cy"]`})
		tm.turn(func() {
			if len(room.History()) != 1 {
				tm.Errorf("the history has %d messages, want one: those about presence are not kept", len(room.History()))
			}
			tm.must(room.Subscribe(clients[0]))
			tm.h.Unregister(room)
			if room.Presence() != nil {
				tm.Errorf("Presence() of a topic that was removed = %v, want nobody", room.Presence())
			}
		})
		sockets[2].take()
		tm.interval()
		sockets[2].hears(tm, "the topic was removed")
	})
}

// A reload starts and ends the presence of a topic. Who subscribes already is told who is present.
func TestPresenceAndReload(t *testing.T) {
	inBubble(t, rosterMode(config.RosterOff), nil, func(tm *testManager) {
		s, c := tm.open()
		var room script.Topic
		tm.turn(func() {
			c.SetUser("ann")
			var err error
			room, err = tm.h.Register("room", script.TopicOptions{})
			tm.must(err)
			tm.must(room.Subscribe(c))
			if _, err := tm.h.Register("room", script.TopicOptions{Presence: new(true)}); err == nil || !strings.Contains(err.Error(), "presence = false") {
				tm.Errorf("Register with presence = %v, want an error that says presence = false", err)
			}
		})
		time.Sleep(time.Second)
		s.hears(tm, "without presence", "UpdateSubscriptions")
		change := func(to bool) {
			tm.reload(func(h script.Host) {
				_, err := h.Register("room", script.TopicOptions{Presence: &to})
				tm.must(err)
			})
			time.Sleep(time.Second)
			synctest.Wait()
		}
		change(true)
		tm.told("presence has begun", s.take(), [2]string{"UpdatePresence", `"users":["ann"]`})
		if got := room.Presence(); !slices.Equal(got, []string{"ann"}) {
			tm.Errorf("Presence() = %v, want ann", got)
		}
		change(false)
		tm.turn(func() { c.SetUser("bob") })
		tm.interval()
		s.hears(tm, "presence has ended")
	})
}

// A subscriber that was sent who is present hears that one of these has left, also if the user had only just come.
func TestPresenceOfShortVisit(t *testing.T) {
	inBubble(t, rosterMode(config.RosterOff), nil, func(tm *testManager) {
		_, bob := tm.open()
		ann, c := tm.open()
		var room script.Topic
		tm.turn(func() {
			var err error
			room, err = tm.h.Register("room", script.TopicOptions{Presence: new(true)})
			tm.must(err)
			bob.SetUser("bob")
			tm.must(room.Subscribe(bob))
		})
		tm.turn(func() { tm.must(room.Subscribe(c)) })
		tm.told("at once", ann.take(), [2]string{"UpdateSubscriptions", "room"}, [2]string{"UpdatePresence", `"users":["bob"]`})
		tm.turn(func() { room.Unsubscribe(bob) })
		tm.interval()
		tm.told("within the interval", ann.take(), [2]string{"PresenceChanged", `"joined":[],"left":["bob"]`})
	})
}
