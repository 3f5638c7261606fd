package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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

// Topics have unique names and are found by name and UUID; all clients are sent UpdateTopics when they change.
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
			longest, err := tm.h.Register(strings.Repeat("x", 255), script.TopicOptions{})
			tm.must(err)
			news, err = tm.h.Register("news", script.TopicOptions{})
			tm.must(err)
			again, err := tm.h.Register("news", script.TopicOptions{})
			if again != news || err != nil {
				tm.Errorf("Register again = %v, %v, want the first one", again, err)
			}
			if again, err := tm.h.Register("news", script.TopicOptions{Protection: auth.None}); err == nil || news.Allows(c) {
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
			topic, err := tm.h.Register(name, script.TopicOptions{})
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
				options       script.TopicOptions
				c, other, adm bool
			}{
				{script.TopicOptions{}, false, false, true},
				{script.TopicOptions{Protection: auth.Client, Owner: c.UUID()}, true, false, true},
				{script.TopicOptions{Protection: auth.None}, true, true, true},
			} {
				topic, err := tm.h.Register(fmt.Sprint(row.options.Protection), row.options)
				tm.must(err)
				if topic.Allows(c) != row.c || topic.Allows(other) != row.other || topic.Allows(admin) != row.adm {
					tm.Errorf("Allows of %v: owner %v, other %v, admin %v, want %v, %v, %v", row.options,
						topic.Allows(c), topic.Allows(other), topic.Allows(admin), row.c, row.other, row.adm)
				}
			}
		})
	})
}
