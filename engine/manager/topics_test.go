package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
		r.turn(func() {
			for _, name := range []string{"", strings.Repeat("x", 256)} {
				if got, err := r.h.Register(name, script.TopicOptions{}); err == nil || got != nil {
					r.Errorf("Register of a name of %d bytes = %v, nil, want an error", len(name), got)
				}
			}
			longest, err := r.h.Register(strings.Repeat("x", 255), script.TopicOptions{})
			r.must(err)
			news, err := r.h.Register("news", script.TopicOptions{})
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
			r.must(news.Subscribe(c))
			r.h.Unregister(news)
			r.h.Unregister(news)
			if news.Registered() || news.Count() != 0 || len(c.Subscriptions()) != 0 || r.h.Topic("news") != nil || !s.subscribed(everybody) || s.subscribed(1) || s.subscribed(2) {
				r.Errorf("after Unregister: %v with %d subscribers, want nothing left", r.h.Topic("news"), news.Count())
			}
			if err := news.Subscribe(c); err == nil {
				r.Error("Subscribe to a topic that has been removed = nil, want an error")
			}
		})
		heard := s.take()
		var names []string
		for _, f := range heard {
			names = append(names, f.name())
		}
		want := "UpdateTopics UpdateTopics UpdateSubscriptions UpdateSubscriptions UpdateTopics"
		if got := strings.Join(names, " "); got != want {
			r.Fatalf("heard %s, want %s", got, want)
		}
		topics, _ := heard[1].fields()["topics"].(map[string]any)
		if len(topics) != 2 || !strings.Contains(string(heard[1]), `"name":"news","subscribers":0`) {
			r.Errorf("UpdateTopics = %s, want both topics", heard[1])
		}
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
			r.must(one.Send("Nobody", nil))
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
			r.must(two.Send("Both", nil))
			r.must(one.Send("OnlyA", nil))
			two.Unsubscribe(ca)
			two.Unsubscribe(ca)
			r.must(two.Send("OnlyB", nil))
		})
		heard := a.take()
		var names []string
		for _, f := range heard {
			names = append(names, f.name())
		}
		want := "UpdateSubscriptions UpdateSubscriptions Both OnlyA UpdateSubscriptions"
		if got := strings.Join(names, " "); got != want {
			r.Fatalf("a heard %s, want %s", got, want)
		}
		one := r.m.topics.names["one"]
		contains(r, "last UpdateSubscriptions", string(heard[4]),
			fmt.Sprintf(`"subscriptions":{%q:{"name":"one","subscribers":1,"uuid":%q}}`, one.uuid, one.uuid))
		b.hears(r, "b", "UpdateSubscriptions", "Both", "OnlyB")
		r.m.Detach(a, wire.CloseNormal(""))
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
				{script.TopicOptions{Protection: auth.Client, Owner: c.uuid}, true, false, true},
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
