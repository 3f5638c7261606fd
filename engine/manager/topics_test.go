package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/script"
	"perigee/engine/wire"
)

func topicNames(topics []script.Topic) string {
	var names []string
	for _, topic := range topics {
		names = append(names, topic.Name())
	}
	return strings.Join(names, " ")
}

// listed are the options of a topic that all clients know.
func listed() script.TopicOptions { return script.TopicOptions{Listed: new(true)} }

// Topics have unique names and are found by name and UUID; all clients are sent UpdateTopics when listed ones change.
func TestTopics(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		tm.quiet()
		var news script.Topic
		tm.turn(func() {
			for _, name := range []string{"", strings.Repeat("x", 256)} {
				if got, err := tm.h.Register(name, script.TopicOptions{}); err == nil || got != nil {
					tm.Errorf("Register of a name of %d bytes = %v, nil, want an error", len(name), got)
				}
			}
			longest, err := tm.h.Register(strings.Repeat("x", 255), listed())
			tm.must(err)
			news, err = tm.h.Register("news", listed())
			tm.must(err)
			again, err := tm.h.Register("news", script.TopicOptions{})
			if again != news || err != nil {
				tm.Errorf("Register again = %v, %v, want the first one", again, err)
			}
			if again, err := tm.h.Register("news", script.TopicOptions{TopicAccess: script.TopicAccess{Protection: auth.None}}); err == nil || news.Allows(c) {
				tm.Errorf("Register with another protection = %v, nil, want an error and the first one as it was", again)
			}
			if tm.h.Topic("news") != news || tm.h.Topic(news.UUID()) != news || tm.h.Topic("nothing") != nil {
				tm.Errorf("Topic(news) = %v, want %v by name and UUID, and nothing else", tm.h.Topic("news"), news)
			}
			if got := topicNames(tm.h.Topics()); got != "news "+longest.Name() {
				tm.Errorf("Topics() = %s, want both by name", got)
			}
		})
		heard := s.take()
		if len(heard) != 1 || heard[0].name() != "UpdateTopics" {
			tm.Fatalf("heard %v, want UpdateTopics once", heard)
		}
		topics, _ := heard[0].fields()["topics"].(map[string]any)
		if len(topics) != 2 || !strings.Contains(string(heard[0]), `"name":"news","subscribers":0`) {
			tm.Errorf("UpdateTopics = %s, want both topics", heard[0])
		}
		tm.turn(func() { tm.must(news.Subscribe(c)) })
		s.hears(tm, "subscribed", "UpdateSubscriptions")
		tm.turn(func() {
			tm.h.Unregister(news)
			tm.h.Unregister(news)
			if news.Registered() || news.Count() != 0 || len(c.Subscriptions()) != 0 || tm.h.Topic("news") != nil || !s.subscribed(allConnections) || s.subscribed(1) || s.subscribed(2) {
				tm.Errorf("after Unregister: %v with %d subscribers, want nothing left", tm.h.Topic("news"), news.Count())
			}
			if err := news.Subscribe(c); err == nil {
				tm.Error("Subscribe to a topic that has been removed = nil, want an error")
			}
		})
		s.hears(tm, "removed", "UpdateSubscriptions", "UpdateTopics")
	})
}

// The changes of topics and subscriptions of one turn are sent once, before the turn's later frames; changes after those are sent
// once more at its end.
func TestUpdates(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		a, ca := tm.open()
		b, _ := tm.open()
		tm.quiet()
		add := func(name string) script.Topic {
			topic, err := tm.h.Register(name, listed())
			tm.must(err)
			return topic
		}
		tm.turn(func() {
			for i := range 500 {
				add(fmt.Sprint("silent ", i))
			}
		})
		heard := a.take()
		if len(heard) != 1 || strings.Count(string(heard[0]), "silent ") != 500 {
			tm.Fatalf("500 topics in a turn: heard %d frames, want one with all of them", len(heard))
		}
		b.hears(tm, "500 topics in a turn", "UpdateTopics")

		var one script.Topic
		tm.turn(func() {
			one = add("one")
			tm.must(one.Subscribe(ca))
			tm.must(tm.h.Publish(one, "Hello", nil))
		})
		a.hears(tm, "one topic", "UpdateTopics", "UpdateSubscriptions", "Hello")
		b.hears(tm, "one topic", "UpdateTopics")
		tm.turn(func() {
			one.Unsubscribe(ca)
			ca.Close(wire.CloseNormal(""))
		})
		a.hears(tm, "before the end", "UpdateSubscriptions")

		c, cc := tm.open()
		tm.quiet()
		tm.turn(func() {
			for i := range 20 {
				tm.must(add(fmt.Sprint("loud ", i)).Subscribe(cc))
				tm.must(tm.h.Send([]script.Client{cc}, "Added", nil))
			}
		})
		heard = c.take()
		count := map[string]int{}
		for _, f := range heard {
			count[f.name()]++
		}
		if count["UpdateTopics"] != 2 || count["UpdateSubscriptions"] != 2 || count["Added"] != 20 {
			tm.Errorf("20 topics with a frame after each: heard %v, want 2 updates of each kind", count)
		}
		if last := string(heard[len(heard)-1]); strings.Count(last, "loud ") != 20 {
			tm.Errorf("20 topics with a frame after each: the last is %s, want all subscriptions", last)
		}
		b.hears(tm, "20 topics with a frame after each", "UpdateTopics", "UpdateTopics")

		tm.must(tm.m.runTurn(tm.Context(), "a turn that does not flush", func() error {
			add("late")
			return nil
		}))
		synctest.Wait()
		b.hears(tm, "a turn that does not flush", "UpdateTopics")
	})
}

// Only subscribers get the messages of a topic, in order with all other frames that they are sent.
func TestSubscribe(t *testing.T) {
	o := defaults()
	o.Limits.Subscriptions = 2
	inBubble(t, o, nil, func(tm *testManager) {
		a, ca := tm.open()
		b, cb := tm.open()
		tm.turn(func() {
			for _, name := range []string{"one", "two", "three"} {
				_, err := tm.h.Register(name, script.TopicOptions{})
				tm.must(err)
			}
		})
		tm.quiet()
		tm.turn(func() {
			one, two, three := tm.h.Topic("one"), tm.h.Topic("two"), tm.h.Topic("three")
			tm.must(tm.h.Publish(one, "Nobody", nil))
			tm.must(two.Subscribe(cb))
			tm.must(two.Subscribe(ca))
			tm.must(one.Subscribe(ca))
			tm.must(one.Subscribe(ca))
			if err := three.Subscribe(ca); err == nil {
				tm.Error("Subscribe beyond the limit = nil, want an error")
			}
			if got := topicNames(ca.Subscriptions()); got != "one two" {
				tm.Errorf("Subscriptions() = %s, want one two", got)
			}
			if got := two.Connections(); !slices.Equal(got, []script.Client{ca, cb}) || two.Count() != 2 {
				tm.Errorf("Connections() = %v, want both in the order of opening", got)
			}
			tm.must(tm.h.Publish(two, "Both", nil))
			tm.must(tm.h.Publish(one, "OnlyA", nil))
			two.Unsubscribe(ca)
			two.Unsubscribe(ca)
			tm.must(tm.h.Publish(two, "OnlyB", nil))
		})
		heard := a.take()
		var names []string
		for _, f := range heard {
			names = append(names, f.name())
		}
		want := "UpdateSubscriptions Both OnlyA UpdateSubscriptions"
		if got := strings.Join(names, " "); got != want {
			tm.Fatalf("a heard %s, want %s", got, want)
		}
		one := tm.m.hub.FindTopic("one")
		contains(tm, "last UpdateSubscriptions", string(heard[3]),
			fmt.Sprintf(`"subscriptions":{%q:{"name":"one","subscribers":1,"uuid":%q}}`, one.UUID(), one.UUID()))
		b.hears(tm, "b", "UpdateSubscriptions", "Both", "OnlyB")
		tm.m.Closed(a, wire.CloseNormal(""), broker.EndForGood)
		tm.turn(func() {
			if one.Count() != 0 {
				tm.Errorf("after a has left: %d subscribers, want 0", one.Count())
			}
		})
	})
}

// Who may subscribe depends on the protection of the topic, as it does for messages.
func TestTopicAllows(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		_, c := tm.open()
		_, other := tm.open()
		_, admin := tm.open()
		tm.turn(func() {
			admin.SetAdmin(true)
			for _, row := range []struct {
				options       script.TopicAccess
				c, other, adm bool
			}{
				{script.TopicAccess{}, false, false, true},
				{script.TopicAccess{Protection: auth.Client, Owner: c.UUID()}, true, false, true},
				{script.TopicAccess{Protection: auth.None}, true, true, true},
			} {
				topic, err := tm.h.Register(fmt.Sprint(row.options.Protection), script.TopicOptions{TopicAccess: row.options})
				tm.must(err)
				if topic.Allows(c) != row.c || topic.Allows(other) != row.other || topic.Allows(admin) != row.adm {
					tm.Errorf("Allows of %v: owner %v, other %v, admin %v, want %v, %v, %v", row.options,
						topic.Allows(c), topic.Allows(other), topic.Allows(admin), row.c, row.other, row.adm)
				}
			}
		})
	})
}

// Others do not hear of a topic that is not listed, and a new connection is sent the listed ones.
func TestUnlistedTopics(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		a, ca := tm.open()
		b, _ := tm.open()
		tm.quiet()
		tm.turn(func() {
			room, err := tm.h.Register("room", script.TopicOptions{})
			tm.must(err)
			tm.must(room.Subscribe(ca))
			tm.must(tm.h.Publish(room, "Said", nil))
			ca.SetName("Ann")
		})
		a.hears(tm, "subscribed", "UpdateSubscriptions", "Said", "UpdateConnections")
		roster := b.take()
		if len(roster) != 1 || strings.Contains(string(roster[0]), "room") {
			tm.Errorf("others heard %s, want the roster without the topic", roster)
		}
		tm.turn(func() { tm.h.Unregister(tm.h.Topic("room")) })
		b.hears(tm, "removed")

		none := tm.newSocket()
		tm.m.Open(none)
		time.Sleep(time.Second)
		synctest.Wait()
		none.hears(tm, "no topic is listed", "UpdateConnections")
		tm.turn(func() {
			_, err := tm.h.Register("hidden", script.TopicOptions{})
			tm.must(err)
			_, err = tm.h.Register("news", listed())
			tm.must(err)
		})
		late := tm.newSocket()
		tm.m.Open(late)
		synctest.Wait()
		heard := late.take()
		if len(heard) == 0 || heard[0].name() != "UpdateTopics" || !strings.Contains(string(heard[0]), "news") || strings.Contains(string(heard[0]), "hidden") {
			tm.Errorf("a new connection heard %s, want UpdateTopics with the listed topic first", heard)
		}
	})
}

// A script that registers a topic again gets it, unless it gives an option another value. While scripts load, that changes the
// topic when they run.
func TestRegisterAgain(t *testing.T) {
	o := defaults()
	o.Limits.ListedTopics = 1
	inBubble(t, o, nil, func(tm *testManager) {
		s, _ := tm.open()
		tm.quiet()
		var news script.Topic
		register := func(h script.Host, o script.TopicOptions, want string) {
			tm.Helper()
			got, err := h.Register("news", o)
			if want == "" && (err != nil || got != news) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				tm.Errorf("Register(%v) = %v, %v, want the topic or an error with %q", o, got, err, want)
			}
		}
		tm.turn(func() {
			var err error
			news, err = tm.h.Register("news", script.TopicOptions{})
			tm.must(err)
			register(tm.h, script.TopicOptions{}, "")
			register(tm.h, script.TopicOptions{Listed: new(false)}, "")
			register(tm.h, listed(), `topic "news" exists already, with listed = false`)
		})
		tm.reload(func(h script.Host) {
			register(h, listed(), "")
			s.hears(tm, "while the scripts load")
			if other, err := h.Register("other", listed()); err != nil || !other.Listed() {
				tm.Errorf("Register(other) = %v, %v, want a listed topic: the change of the first is not in force", other, err)
			}
			if _, err := h.Register("other", script.TopicOptions{Listed: new(false)}); err == nil {
				tm.Error("Register(other) with another option by the same scripts = nil, want an error")
			}
			if _, err := h.Register("third", listed()); err == nil || !strings.Contains(err.Error(), "limits.listed_topics") {
				tm.Errorf("Register(third) = %v, want limits.listed_topics", err)
			}
		})
		synctest.Wait()
		heard := s.take()
		if len(heard) == 0 || heard[0].name() != "UpdateTopics" || !strings.Contains(string(heard[0]), `"news"`) || !news.Listed() {
			tm.Errorf("after the reload heard %s, want UpdateTopics with the topic", heard)
		}
		tm.reload(func(h script.Host) { register(h, script.TopicOptions{}, "") })
		if !news.Listed() {
			tm.Error("a reload without the option made the topic unlisted, want it as it was")
		}
	})
}

// A new subscriber gets the messages that the topic keeps after its UpdateSubscriptions, and each message once, also if it
// subscribes and the topic is sent to several times in a turn.
func TestHistoryOfNewSubscribers(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		a, ca := tm.open()
		b, cb := tm.open()
		c, cc := tm.open()
		tm.quiet()
		var one, two script.Topic
		send := func(to script.Topic, names ...string) {
			for _, name := range names {
				tm.must(tm.h.Publish(to, name, nil))
			}
		}
		tm.turn(func() {
			var err error
			one, err = tm.h.Register("one", script.TopicOptions{History: new(2)})
			tm.must(err)
			two, err = tm.h.Register("two", script.TopicOptions{History: new(2)})
			tm.must(err)
			send(one, "One1", "One2", "One3")
			send(two, "Two1")
		})
		tm.turn(func() { tm.must(one.Subscribe(ca)) })
		a.hears(tm, "alone in a turn", "UpdateSubscriptions", "One2", "One3")
		tm.turn(func() {
			tm.must(one.Subscribe(ca))
			tm.must(one.Subscribe(cb))
			send(one, "One4")
			tm.must(two.Subscribe(cb))
			send(two, "Two2")
			one.Unsubscribe(cb)
			send(two, "Two3")
		})
		a.hears(tm, "a subscriber from before", "One4")
		b.hears(tm, "several in a turn", "UpdateSubscriptions", "One2", "One3", "One4", "UpdateSubscriptions", "Two1", "Two2", "Two3", "UpdateSubscriptions")
		tm.turn(func() {
			tm.must(one.Subscribe(cc))
			one.Unsubscribe(cc)
			tm.must(two.Subscribe(cc))
			two.Unsubscribe(cc)
			tm.must(two.Subscribe(cc))
		})
		c.hears(tm, "not any more", "UpdateSubscriptions", "Two2", "Two3")
		tm.turn(func() {
			var names []string
			for _, text := range one.History() {
				names = append(names, frame(text).name())
			}
			if got := strings.Join(names, " "); got != "One3 One4" {
				tm.Errorf("History() = %s, want One3 One4", got)
			}
			if _, err := tm.h.Register("one", script.TopicOptions{History: new(3)}); err == nil || !strings.Contains(err.Error(), "history = 2") {
				tm.Errorf("Register with another history = %v, want an error that says history = 2", err)
			}
		})
		tm.reload(func(h script.Host) {
			_, err := h.Register("one", script.TopicOptions{History: new(1)})
			tm.must(err)
		})
		tm.turn(func() {
			if len(one.History()) != 1 {
				tm.Errorf("after a reload that keeps one message: %d, want 1", len(one.History()))
			}
		})
	})
}
