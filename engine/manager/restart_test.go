package manager

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// previousServer is what a server has left for the next one.
type previousServer struct {
	connections, topics bytes.Buffer
	token               string // of the connection that is kept
	err                 error  // about connections
}

// endServer plays the end of a server, in which a connection is kept.
func endServer(t *testing.T, act func(tm *testManager, s *socket, c script.Client)) *previousServer {
	t.Helper()
	left := &previousServer{}
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		tm := newTestManager(t, defaults())
		tm.install(nil)
		s, c, first := tm.openResumable()
		s.sent, s.kept, s.number, left.token = 7, [][]byte{[]byte(`{"name":"<Late>"}`)}, 3, first
		tm.say(s, `{"name":"Nonsense"}`)
		tm.turn(func() { act(tm, s, c) })
		tm.interval()
		tm.open() // not kept
		tm.m.BeginStop(true)
		tm.lose(s, broker.EndLost)
		tm.halt()
		left.err = tm.m.SaveConnections(&left.connections)
		tm.must(tm.m.SaveTopics(&left.topics))
	})
	return left
}

// restart plays the start of the next server.
func (tm *testManager) restart(text string) (restored *socket, err error) {
	err = tm.m.RestoreConnections(tm.Context(), strings.NewReader(text), func(peer auth.Peer, opened time.Time, sent uint64, kept [][]byte) broker.Conn {
		restored = tm.newSocket()
		restored.peer, restored.opened, restored.sent, restored.kept = peer, opened, sent, kept
		return restored
	})
	tm.must(tm.m.EndRestore(tm.Context()))
	synctest.Wait()
	return restored, err
}

// The client of a connection that was kept comes back to it after a restart, with everything but the rights of an admin.
func TestRestart(t *testing.T) {
	var before, uuid string
	left := endServer(t, func(tm *testManager, _ *socket, c script.Client) {
		c.SetName("Ada")
		c.SetEmail("ada@example.com")
		c.SetType("player")
		c.SetUser("person 7")
		c.SetRoles([]string{"agent"})
		c.SetData(wire.Raw(`{"cart":[1]}`))
		c.SetAdmin(true)
		tm.must(c.SetAttribute("score", wire.Raw(`{"points":[1,2]}`)))
		c.Notify("somebody")
		tm.subscribe(c, "news")
		fields, err := c.AppendJSON(nil)
		tm.must(err)
		before, uuid = string(fields), c.UUID()
	})
	if left.err != nil {
		t.Fatalf("SaveConnections = %v", left.err)
	}
	if text := left.connections.String(); strings.Contains(text, left.token) || strings.Contains(text, "admin") {
		t.Errorf("SaveConnections = %s, want neither the token nor a right", text)
	}
	inBubble(t, defaults(), func(tm *testManager) {
		tm.must(tm.m.hub.RestoreTopics(&left.topics))
		_, err := tm.h.Register("news", script.TopicOptions{})
		tm.must(err)
	}, func(tm *testManager) {
		var ran []string
		tm.record(&ran)
		away, err := tm.restart(left.connections.String())
		tm.must(err)
		if away.sent != 7 || len(away.kept) != 1 || string(away.kept[0]) != `{"name":"<Late>"}` || !away.subscribed(allConnections) || tm.m.Away() != 1 {
			tm.Errorf("restored with %d frames, of them %s, %d away, want 7, the kept one and 1", away.sent, away.kept, tm.m.Away())
		}
		away.hears(tm, "the one that is away", "UpdateConnections")
		next := tm.back(left.token, 7)
		if hello := next.take()[0].fields(); hello["complete"] != true || hello["taken"] != 3.0 {
			tm.Errorf("back: %v, want complete, and 3 taken", hello)
		}
		c := tm.m.hub.ByConn(next)
		after := tm.json(c)
		before = strings.ReplaceAll(before, `"admin":true`, `"admin":false`)
		if data, err := c.Data().AppendJSON(nil); string(data) != `{"cart":[1]}` || err != nil {
			tm.Errorf("back: the data is %s, %v, want as before", data, err)
		}
		if c.UUID() != uuid || after != before {
			tm.Errorf("back: %s, want %s", after, before)
		}
		_, newcomer := tm.open()
		if newcomer.ResourceID() <= c.ResourceID() {
			tm.Errorf("a new connection has the number %d, want more than %d", newcomer.ResourceID(), c.ResourceID())
		}
		tm.haveRun(&ran, wasResumed+", open")
	})
}

// subscribe registers topics and subscribes a client to them.
func (tm *testManager) subscribe(c script.Client, names ...string) {
	tm.Helper()
	for _, name := range names {
		topic, err := tm.h.Register(name, script.TopicOptions{})
		tm.must(err)
		tm.must(topic.Subscribe(c))
	}
}

// A connection with a topic that the next server does not have is kept as one whose client has missed a frame, so that its scripts hear
// that the return is incomplete.
func TestRestartWithoutTopic(t *testing.T) {
	left := endServer(t, func(tm *testManager, _ *socket, c script.Client) { tm.subscribe(c, "news", "gone") })
	news := func(tm *testManager) {
		_, err := tm.h.Register("news", script.TopicOptions{})
		tm.must(err)
	}
	inBubble(t, defaults(), news, func(tm *testManager) {
		away, err := tm.restart(left.connections.String())
		tm.must(err)
		if away.sent != 8 || len(away.kept) != 0 {
			tm.Errorf("restored with %d frames, of them %s, want one more than the 7 that were sent, and none kept", away.sent, away.kept)
		}
		if subscriptions := tm.m.hub.ByConn(away).Subscriptions(); len(subscriptions) != 1 || subscriptions[0].Name() != "news" {
			tm.Errorf("restored with the subscriptions %v, want news", subscriptions)
		}
	})
}

// Connections that were kept and to which nobody comes back are closed when the window ends.
func TestRestartWithoutReturn(t *testing.T) {
	left := endServer(t, func(*testManager, *socket, script.Client) {})
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var ran []string
		tm.record(&ran)
		away, err := tm.restart(left.connections.String())
		tm.must(err)
		time.Sleep(time.Minute)
		synctest.Wait()
		tm.haveRun(&ran, wasClosed)
		if !away.isForgotten() {
			tm.Error("the socket is not forgotten")
		}
	})
}

// What is damaged is an error, and the rest is restored.
func TestRestartDamaged(t *testing.T) {
	left := endServer(t, func(tm *testManager, _ *socket, c script.Client) {
		tm.must(c.SetAttribute("deep", wire.Raw(`"[[[["`)))
		tm.must(c.SetAttribute("bad", new(broken)))
	})
	if left.err == nil || !strings.Contains(left.err.Error(), "field bad") {
		t.Errorf("SaveConnections = %v, want an error about the field bad", left.err)
	}
	text := left.connections.String()
	inBubble(t, defaults(), nil, func(tm *testManager) {
		for _, damaged := range []string{"", "{", `{"version":2}`, `[]`, strings.ReplaceAll(text, `"token":"`, `"token":"AAAA`)} {
			if _, err := tm.restart(damaged); err == nil {
				tm.Errorf("RestoreConnections(%q) = nil, want an error", damaged)
			}
		}
		if _, err := tm.restart(text); err == nil || !strings.Contains(err.Error(), "field deep") {
			tm.Errorf("RestoreConnections = %v, want an error about the field deep", err)
		}
		if _, err := tm.restart(text); err == nil {
			tm.Error("RestoreConnections of a connection that is there = nil, want an error")
		}
		tokenOf(tm, tm.back(left.token, 7), "ConnectionResumed")
	})
}

// broken is a field that can be encoded once, when it is set.
type broken struct{ encoded bool }

func (b *broken) AppendJSON(dst []byte) ([]byte, error) {
	if b.encoded {
		return nil, errTooDeep
	}
	b.encoded = true
	return append(dst, "1"...), nil
}
