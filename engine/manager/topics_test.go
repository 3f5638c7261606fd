package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/auth"
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

// Topics have unique names, are found by name and UUID, and everybody hears when there are others.
func TestTopics(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		r.quiet()
		var news script.Topic
		r.turn(func() {
			for _, name := range []string{"", strings.Repeat("x", 256)} {
				if got, err := r.h.Register(name, script.TopicOptions{}); err == nil || got != nil {
					r.Errorf("Register of a name of %d bytes = %v, nil, want an error", len(name), got)
				}
			}
			longest, err := r.h.Register(strings.Repeat("x", 255), script.TopicOptions{})
			r.must(err)
			news, err = r.h.Register("news", script.TopicOptions{})
			r.must(err)
			again, err := r.h.Register("news", script.TopicOptions{})
			if again != news || err != nil {
				r.Errorf("Register again = %v, %v, want the first one", again, err)
			}
			if again, err := r.h.Register("news", script.TopicOptions{Protection: auth.None}); err == nil || news.Allows(c) {
				r.Errorf("Register with another protection = %v, nil, want an error and the first one as it was", again)
			}
			if r.h.Topic("news") != news || r.h.Topic(news.UUID()) != news || r.h.Topic("nothing") != nil {
				r.Errorf("Topic(news) = %v, want %v by name and UUID, and nothing else", r.h.Topic("news"), news)
			}
			if got := topicNames(r.h.Topics()); got != "news "+longest.Name() {
				r.Errorf("Topics() = %s, want both by name", got)
			}
		})
		heard := s.take()
		if len(heard) != 1 || heard[0].name() != "UpdateTopics" {
			r.Fatalf("heard %v, want UpdateTopics once", heard)
		}
		topics, _ := heard[0].fields()["topics"].(map[string]any)
		if len(topics) != 2 || !strings.Contains(string(heard[0]), `"name":"news","subscribers":0`) {
			r.Errorf("UpdateTopics = %s, want both topics", heard[0])
		}
		r.turn(func() { r.must(news.Subscribe(c)) })
		s.hears(r, "subscribed", "UpdateSubscriptions")
		r.turn(func() {
			r.h.Unregister(news)
			r.h.Unregister(news)
			if news.Registered() || news.Count() != 0 || len(c.Subscriptions()) != 0 || r.h.Topic("news") != nil || !s.subscribed(everybody) || s.subscribed(1) || s.subscribed(2) {
				r.Errorf("after Unregister: %v with %d subscribers, want nothing left", r.h.Topic("news"), news.Count())
			}
			if err := news.Subscribe(c); err == nil {
				r.Error("Subscribe to a topic that has been removed = nil, want an error")
			}
		})
		s.hears(r, "removed", "UpdateSubscriptions", "UpdateTopics")
	})
}

// What one turn changes of topics and subscriptions is told once, before the frames that it sends afterwards; if it changes
// more after those, once again at its end.
func TestNotices(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		a, ca := r.open()
		b, _ := r.open()
		r.quiet()
		add := func(name string) script.Topic {
			topic, err := r.h.Register(name, script.TopicOptions{})
			r.must(err)
			return topic
		}
		r.turn(func() {
			for i := range 500 {
				add(fmt.Sprint("silent ", i))
			}
		})
		heard := a.take()
		if len(heard) != 1 || strings.Count(string(heard[0]), "silent ") != 500 {
			r.Fatalf("500 topics in a turn: heard %d frames, want one with all of them", len(heard))
		}
		b.hears(r, "500 topics in a turn", "UpdateTopics")

		var one script.Topic
		r.turn(func() {
			one = add("one")
			r.must(one.Subscribe(ca))
			r.must(r.h.Publish(one, "Hello", nil))
		})
		a.hears(r, "one topic", "UpdateTopics", "UpdateSubscriptions", "Hello")
		b.hears(r, "one topic", "UpdateTopics")
		r.turn(func() {
			one.Unsubscribe(ca)
			ca.Close(wire.CloseNormal(""))
		})
		a.hears(r, "before the end", "UpdateSubscriptions")

		c, cc := r.open()
		r.quiet()
		r.turn(func() {
			for i := range 20 {
				r.must(add(fmt.Sprint("loud ", i)).Subscribe(cc))
				r.must(r.h.Send([]script.Client{cc}, "Added", nil))
			}
		})
		heard = c.take()
		count := map[string]int{}
		for _, f := range heard {
			count[f.name()]++
		}
		if count["UpdateTopics"] != 2 || count["UpdateSubscriptions"] != 2 || count["Added"] != 20 {
			r.Errorf("20 topics with a frame after each: heard %v, want 2 notices of each kind", count)
		}
		if last := string(heard[len(heard)-1]); strings.Count(last, "loud ") != 20 {
			r.Errorf("20 topics with a frame after each: the last is %s, want all subscriptions", last)
		}
		b.hears(r, "20 topics with a frame after each", "UpdateTopics", "UpdateTopics")

		r.must(r.m.ask(r.Context(), "a turn that does not settle", func() error {
			add("late")
			return nil
		}))
		synctest.Wait()
		b.hears(r, "a turn that does not settle", "UpdateTopics")
	})
}

// Subscribers hear what is sent to their topic, in the order of what they are sent otherwise, and nobody else does.
func TestSubscribe(t *testing.T) {
	o := defaults()
	o.Limits.Subscriptions = 2
	inBubble(t, o, nil, func(r *rig) {
		a, ca := r.open()
		b, cb := r.open()
		r.turn(func() {
			for _, name := range []string{"one", "two", "three"} {
				_, err := r.h.Register(name, script.TopicOptions{})
				r.must(err)
			}
		})
		r.quiet()
		r.turn(func() {
			one, two, three := r.h.Topic("one"), r.h.Topic("two"), r.h.Topic("three")
			r.must(r.h.Publish(one, "Nobody", nil))
			r.must(two.Subscribe(cb))
			r.must(two.Subscribe(ca))
			r.must(one.Subscribe(ca))
			r.must(one.Subscribe(ca))
			if err := three.Subscribe(ca); err == nil {
				r.Error("Subscribe beyond the limit = nil, want an error")
			}
			if got := topicNames(ca.Subscriptions()); got != "one two" {
				r.Errorf("Subscriptions() = %s, want one two", got)
			}
			if got := two.Connections(); !slices.Equal(got, []script.Client{ca, cb}) || two.Count() != 2 {
				r.Errorf("Connections() = %v, want both in the order of opening", got)
			}
			r.must(r.h.Publish(two, "Both", nil))
			r.must(r.h.Publish(one, "OnlyA", nil))
			two.Unsubscribe(ca)
			two.Unsubscribe(ca)
			r.must(r.h.Publish(two, "OnlyB", nil))
		})
		heard := a.take()
		var names []string
		for _, f := range heard {
			names = append(names, f.name())
		}
		want := "UpdateSubscriptions Both OnlyA UpdateSubscriptions"
		if got := strings.Join(names, " "); got != want {
			r.Fatalf("a heard %s, want %s", got, want)
		}
		one := r.m.hub.FindTopic("one")
		contains(r, "last UpdateSubscriptions", string(heard[3]),
			fmt.Sprintf(`"subscriptions":{%q:{"name":"one","subscribers":1,"uuid":%q}}`, one.UUID(), one.UUID()))
		b.hears(r, "b", "UpdateSubscriptions", "Both", "OnlyB")
		r.m.Closed(a, wire.CloseNormal(""))
		r.turn(func() {
			if one.Count() != 0 {
				r.Errorf("after a has left: %d subscribers, want 0", one.Count())
			}
		})
	})
}

// Who may subscribe is decided by the topic's protection as it is for messages.
func TestTopicAllows(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		_, c := r.open()
		_, other := r.open()
		_, admin := r.open()
		r.turn(func() {
			admin.SetAdmin(true)
			for _, row := range []struct {
				options       script.TopicOptions
				c, other, adm bool
			}{
				{script.TopicOptions{}, false, false, true},
				{script.TopicOptions{Protection: auth.Client, Owner: c.UUID()}, true, false, true},
				{script.TopicOptions{Protection: auth.None}, true, true, true},
			} {
				topic, err := r.h.Register(fmt.Sprint(row.options.Protection), row.options)
				r.must(err)
				if topic.Allows(c) != row.c || topic.Allows(other) != row.other || topic.Allows(admin) != row.adm {
					r.Errorf("Allows of %v: owner %v, other %v, admin %v, want %v, %v, %v", row.options,
						topic.Allows(c), topic.Allows(other), topic.Allows(admin), row.c, row.other, row.adm)
				}
			}
		})
	})
}
