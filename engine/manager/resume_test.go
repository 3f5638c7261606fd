package manager

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

const origin = "https://app.example.com"

// openResumable opens a connection to which its client can come back with the token.
func (tm *testManager) openResumable() (s *socket, c *hub.Connection, token string) {
	tm.Helper()
	s = tm.newSocket()
	s.request = broker.ResumeRequest{Resumable: true, Received: -1, Origin: origin}
	tm.m.Open(s)
	synctest.Wait()
	token = tokenOf(tm, s, "ConnectionResumable")
	tm.turn(func() { c = tm.m.hub.ByConn(s) })
	return s, c, token
}

// tokenOf takes the frames of a socket and returns the token in the first one.
func tokenOf(tb testing.TB, s *socket, name string) (token string) {
	tb.Helper()
	frames := s.take()
	if len(frames) == 0 || frames[0].name() != name {
		tb.Fatalf("socket %d hears %v, want %s first", s.id, frames, name)
	}
	token, _ = frames[0].fields()["token"].(string)
	if len(token) != 43 {
		tb.Fatalf("%s has the token %q, want 43 characters", name, token)
	}
	return token
}

// back has a client come back with a token.
func (tm *testManager) back(token string, received int64) *socket {
	s := tm.newSocket()
	s.request = broker.ResumeRequest{Resumable: true, Token: token, Received: received, Origin: origin}
	tm.m.Open(s)
	synctest.Wait()
	return s
}

// lose loses the socket of a connection.
func (tm *testManager) lose(s *socket, end broker.End) {
	tm.m.Closed(s, wire.CloseAbnormal(), end)
	synctest.Wait()
}

// record has the hooks of the application record that they have run.
func (tm *testManager) record(ran *[]string) {
	tm.app.open = func(script.Client) error { *ran = append(*ran, "open"); return nil }
	tm.app.drop = func(c script.Client) error {
		*ran = append(*ran, fmt.Sprintf("drop open %v connected %v", c.Open(), c.Connected()))
		return nil
	}
	tm.app.resume = func(c script.Client, complete bool) error {
		*ran = append(*ran, fmt.Sprintf("resume %v connected %v", complete, c.Connected()))
		return nil
	}
	tm.app.closed = func(c script.Client, _ string) error {
		*ran = append(*ran, fmt.Sprintf("close open %v connected %v", c.Open(), c.Connected()))
		return nil
	}
}

const (
	wasDropped  = "drop open true connected false"
	wasResumed  = "resume true connected true"
	wasReloaded = "resume false connected true"
	wasClosed   = "close open false connected false"
)

// A client that is back within the window has its connection with all that belongs to it, gets what it was sent meanwhile, and
// nobody else hears anything.
func TestResume(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var ran []string
		tm.record(&ran)
		s, c, token := tm.openResumable()
		other, _ := tm.open()
		tm.turn(func() {
			c.SetName("Ada")
			c.SetAdmin(true)
			tm.must(c.SetAttribute("team", wire.Raw(`"blue"`)))
			topic, err := tm.h.Register("news", script.TopicOptions{})
			tm.must(err)
			tm.must(topic.Subscribe(c))
			c.Notify(other.name())
		})
		tm.quiet()
		tm.turn(func() {})
		before := tm.json(c)
		tm.lose(s, broker.EndLost)
		time.Sleep(59 * time.Second)
		tm.turn(func() {
			tm.must(tm.send(c, "Missed", nil))
			if all := tm.h.Connections(); len(all) != 2 || tm.h.Connection(c.UUID()) == nil || tm.m.Away() != 1 {
				tm.Errorf("while away: %d connections, %d away, want 2 and 1", len(all), tm.m.Away())
			}
		})
		next := tm.back(token, 7)
		hello := next.take()
		if got := hello[0].fields(); len(hello) != 2 || got["name"] != "ConnectionResumed" || got["complete"] != true || got["from"] != 7.0 ||
			got["taken"] != 0.0 || got["window"] != 60.0 || got["token"] == token || hello[1].name() != "Missed" {
			tm.Errorf("back: hears %v, want ConnectionResumed with a new token, from 7, then Missed", hello)
		}
		tm.turn(func() { tm.must(tm.send(c, "Next", nil)) })
		next.hears(tm, "afterwards", "Next")
		time.Sleep(time.Hour)
		other.hears(tm, "somebody else")
		if after := tm.json(c); after != before || tm.m.Away() != 0 {
			tm.Errorf("back: %s, %d away, want as before, %s", after, tm.m.Away(), before)
		}
		tm.haveRun(&ran, strings.Join([]string{"open", "open", wasDropped, wasResumed}, ", "))
		if got := tm.m.Resumes(); got["complete"] != 1 || got["incomplete"]+got["unknown"] != 0 {
			tm.Errorf("Resumes = %v, want one that is complete", got)
		}
	})
}

// json returns the fields of a connection.
func (tm *testManager) json(c *hub.Connection) (text string) {
	tm.turn(func() {
		fields, err := c.AppendJSON(nil)
		tm.must(err)
		text = string(fields)
	})
	return text
}

// A token is good for one return from the same origin. The one before it is good until the client is heard again. Others are
// unknown, and their clients new.
func TestTokens(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Ring", Protection: auth.None})
	}, func(tm *testManager) {
		s, c, first := tm.openResumable()
		tm.lose(s, broker.EndLost)
		foreign := tm.newSocket()
		foreign.request = broker.ResumeRequest{Resumable: true, Token: first, Origin: "https://evil.example.com"}
		tm.m.Open(foreign)
		synctest.Wait()
		tokenOf(tm, foreign, "ConnectionResumable")
		tokenOf(tm, tm.back(strings.Repeat("A", 43), 0), "ConnectionResumable")
		s = tm.back(first, 0)
		second := tokenOf(tm, s, "ConnectionResumed")
		again := tm.back(first, 0) // ConnectionResumed was lost on its way
		third := tokenOf(tm, again, "ConnectionResumed")
		fourth := tokenOf(tm, tm.back(first, 0), "ConnectionResumed") // it was lost again
		tokenOf(tm, tm.back(second, 0), "ConnectionResumable")
		tokenOf(tm, tm.back(third, 0), "ConnectionResumable")
		again = tm.back(fourth, 0)
		fifth := tokenOf(tm, again, "ConnectionResumed")
		again.number = 1
		tm.say(again, `{"name":"Ring"}`)
		tokenOf(tm, tm.back(fourth, 0), "ConnectionResumable")
		if tokenOf(tm, tm.back(fifth, 0), "ConnectionResumed"); !c.Open() || tm.m.Resumes()["unknown"] != 5 {
			tm.Errorf("open %v, Resumes %v, want open, and five that were unknown", c.Open(), tm.m.Resumes())
		}
	})
}

// A client that comes back before its loss was noticed takes over: its old socket is heard no more, and what that still had in
// hand is not counted as taken.
func TestTakeOver(t *testing.T) {
	rang := 0
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Ring", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			rang++
			return nil
		}})
	}, func(tm *testManager) {
		var ran []string
		s, _, token := tm.openResumable()
		tm.record(&ran)
		s.number = 3 // two were dropped because they came too fast
		tm.say(s, `{"name":"Ring"}`)
		next := tm.back(token, 1)
		if got := next.take()[0].fields(); got["taken"] != 3.0 {
			tm.Errorf("taken = %v, want 3", got["taken"])
		}
		s.number = 4
		tm.say(s, `{"name":"Ring"}`)
		tm.lose(s, broker.EndForGood)
		next.number = 1
		tm.say(next, `{"name":"Ring"}`)
		tm.haveRun(&ran, wasDropped+", "+wasResumed)
		if rang != 2 {
			tm.Errorf("%d messages were handled, want one of each socket", rang)
		}
		tm.turn(func() {})
		tm.lose(next, broker.EndLost)
		if s.isForgotten() || next.isForgotten() {
			tm.Error("a socket was forgotten")
		}
	})
}

// Messages that come right after a return are handled after the resume hook, and the roster is sent again to who misses something.
func TestIncomplete(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var ran []string
		s, c, token := tm.openResumable()
		other, _ := tm.open()
		tm.quiet()
		tm.record(&ran)
		tm.app.resume = func(c script.Client, _ bool) error { return tm.send(c, "Welcome", nil) }
		tm.lose(s, broker.EndLeft)
		next := tm.back(token, -1)
		time.Sleep(time.Second)
		next.hears(tm, "the page that was loaded anew", "ConnectionResumed", "Welcome", "UpdateConnections")
		other.hears(tm, "somebody else")
		tm.turn(func() { c.SetName("Ada") })
		time.Sleep(time.Second)
		other.hears(tm, "a change", "UpdateConnections")
		if got := tm.m.Resumes(); got["incomplete"] != 1 {
			tm.Errorf("Resumes = %v, want one that is incomplete", got)
		}
	})
}

// Clients of the original protocol get nothing of this, and their loss closes them.
func TestPlainClient(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var ran []string
		s := tm.newSocket()
		tm.m.Open(s)
		time.Sleep(time.Second)
		s.hears(tm, "a plain client", "UpdateConnections")
		tm.turn(func() { tm.record(&ran) })
		tm.lose(s, broker.EndForGood)
		tm.haveRun(&ran, wasClosed)
	})
}
