package manager

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// topicsOf registers topics.
func (tm *testManager) topicsOf(options map[string]script.TopicOptions) {
	tm.Helper()
	for name, o := range options {
		_, err := tm.h.Register(name, o)
		tm.must(err)
	}
}

func roomOptions() script.TopicOptions {
	return script.TopicOptions{TopicAccess: script.TopicAccess{Protection: auth.None}, History: new(2), Presence: new(true)}
}

// endServerWithTopics plays the end of a server with a listed topic and a room, in which ann, whose connection is kept, and bob are. Three
// messages were sent there.
func endServerWithTopics(t *testing.T) *previousServer {
	t.Helper()
	return endServer(t, func(tm *testManager, _ *socket, c script.Client) {
		tm.topicsOf(map[string]script.TopicOptions{"news": {Listed: new(true)}, "room": roomOptions()})
		c.SetUser("ann")
		room := tm.h.Topic("room")
		tm.must(room.Subscribe(c))
		bob := tm.m.hub.Add(tm.newSocket(), "bob")
		bob.SetUser("bob")
		tm.must(room.Subscribe(bob))
		for i := range 3 {
			tm.must(tm.h.Publish(room, "Said", wire.Members{{Name: "number", Value: i + 1}}))
		}
	})
}

// said returns the numbers of the messages that a topic keeps.
func said(room script.Topic) (numbers string) {
	for _, text := range room.History() {
		numbers += fmt.Sprint(frame(text).fields()["number"], " ")
	}
	return strings.TrimSpace(numbers)
}

// After a restart a topic of the same name, for the same clients, has its UUID and its history, also for the scripts that boot. Clients
// that come back are told what differs from before, and nothing else.
func TestRestartTopics(t *testing.T) {
	news := script.TopicOptions{Listed: new(true)}
	changed := func(change func(o *script.TopicOptions)) script.TopicOptions {
		o := roomOptions()
		change(&o)
		return o
	}
	type topics = map[string]script.TopicOptions
	for _, c := range []struct {
		why    string
		topics topics
		kept   string // of the room
		hears  []string
		later  []string // an interval later
	}{
		{"the same topics", topics{"news": news, "room": roomOptions()}, "2 3", nil, []string{"PresenceChanged"}},
		{"a shorter history", topics{"news": news, "room": changed(func(o *script.TopicOptions) { o.History = new(1) })}, "3", nil, []string{"PresenceChanged"}},
		{
			"neither history nor presence",
			topics{"news": news, "room": changed(func(o *script.TopicOptions) { o.History, o.Presence = nil, nil })},
			"", nil, nil,
		},
		{
			"other clients",
			topics{"news": news, "room": changed(func(o *script.TopicOptions) { o.Protection = auth.Admin })},
			"",
			[]string{"UpdateSubscriptions", "UpdatePresence"},
			[]string{"PresenceChanged"},
		},
		{"no listed topic", topics{"room": roomOptions()}, "2 3", []string{"UpdateTopics"}, []string{"PresenceChanged"}},
		{
			"another listed topic",
			topics{"more": news, "news": news, "room": roomOptions()},
			"2 3",
			[]string{"UpdateTopics"},
			[]string{"PresenceChanged"},
		},
		{
			"one that is not listed any more",
			topics{"news": {Listed: new(false)}, "room": roomOptions()},
			"2 3",
			[]string{"UpdateTopics"},
			[]string{"PresenceChanged"},
		},
		{"no room", topics{"news": news}, "", []string{"UpdateSubscriptions"}, nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			left := endServerWithTopics(t)
			var room script.Topic
			inBubble(t, defaults(), func(tm *testManager) {
				tm.must(tm.m.hub.RestoreTopics(&left.topics))
				tm.topicsOf(c.topics)
				if room = tm.h.Topic("room"); room != nil && said(room) != c.kept {
					tm.Errorf("while the scripts load, the room keeps %q, want %q", said(room), c.kept)
				}
			}, func(tm *testManager) {
				away, err := tm.restart(left.connections.String())
				tm.must(err)
				away.hears(tm, "at the start", append(c.hears, "UpdateConnections")...)
				tm.interval()
				for _, f := range away.take() {
					if f.name() == "PresenceChanged" && !strings.Contains(string(f), `"left":["bob"]`) && c.kept != "" {
						tm.Errorf("an interval later: heard %s, want that bob has left", f)
					}
					if len(c.later) == 0 || f.name() != c.later[0] {
						tm.Errorf("an interval later: heard %s, want %q", f, c.later)
					} else {
						c.later = c.later[1:]
					}
				}
				if room != nil && said(room) != c.kept || len(c.later) > 0 {
					tm.Errorf("the room keeps %q, and nobody heard %q, want %q and nothing", said(room), c.later, c.kept)
				}
			})
		})
	}
}

// A history waits for scripts that register the topic when they need it, but not for others than those that it was for. Scripts that do
// not run after all leave it where it was.
func TestRestartHistoryWaits(t *testing.T) {
	left := endServerWithTopics(t)
	var topics bytes.Buffer
	inBubble(t, defaults(), func(tm *testManager) {
		tm.must(tm.m.hub.RestoreTopics(&left.topics))
	}, func(tm *testManager) {
		tm.must(tm.m.EndRestore(tm.Context()))
		if tm.m.HistoryBytes() == 0 {
			tm.Error("HistoryBytes = 0, want the messages that wait to count")
		}
		failing := errors.New("boot failed")
		_, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			room, err := h.Register("room", roomOptions())
			if err != nil || said(room) != "2 3" {
				tm.Errorf("Register = %v, with %q, want what the previous server kept", err, said(room))
			}
			return nil, failing
		})
		if !errors.Is(err, failing) {
			tm.Fatalf("Install = %v, want the error of the scripts", err)
		}
		tm.turn(func() {
			room, err := tm.h.Register("room", roomOptions())
			tm.must(err)
			tm.must(tm.h.Remember(room, "Said", wire.Members{{Name: "number", Value: 4}}))
			if said(room) != "3 4" {
				tm.Errorf("the room keeps %q, want 3 4", said(room))
			}
			tm.h.Unregister(room)
		})
		synctest.Wait()
		if tm.m.HistoryBytes() != 0 {
			tm.Errorf("HistoryBytes = %d, want 0 once the topic is removed", tm.m.HistoryBytes())
		}
		tm.halt()
		tm.must(tm.m.SaveTopics(&topics))
		if strings.Contains(topics.String(), "room") {
			tm.Errorf("SaveTopics = %s, want no room", topics.String())
		}
	})
}

// What is damaged is an error, and what came before is restored.
func TestRestartTopicsDamaged(t *testing.T) {
	left := endServerWithTopics(t)
	for _, damaged := range []string{"", "{", `{"version":2}`, "[]", left.topics.String() + "{", left.topics.String() + `{"name":"x","uuid":"y"}`} {
		inBubble(t, defaults(), func(tm *testManager) {
			if err := tm.m.hub.RestoreTopics(strings.NewReader(damaged)); err == nil {
				tm.Errorf("RestoreTopics(%q) = nil, want an error", damaged)
			}
			room, err := tm.h.Register("room", roomOptions())
			tm.must(err)
			if want := map[bool]string{true: "2 3"}[len(damaged) > 20]; said(room) != want {
				tm.Errorf("RestoreTopics(%q): the room keeps %q, want %q", damaged, said(room), want)
			}
		}, func(*testManager) {})
	}
}
