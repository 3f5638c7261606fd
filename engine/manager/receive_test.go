package manager

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/loop"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// Whether a message is allowed depends only on its protection, its sender and its owner.
func TestProtection(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(
			tm, tm.h,
			script.Message{Name: "Free", Protection: auth.None},
			script.Message{Name: "Own", Protection: auth.Client, Owner: "connection"},
			script.Message{Name: "Closed", Protection: auth.Admin},
			script.Message{Name: "Forgotten"},
		)
	}, func(tm *testManager) {
		s, c := tm.open()
		_, other := tm.open()
		for _, admin := range []bool{false, true} {
			tm.turn(func() { c.SetAdmin(admin) })
			for _, row := range []struct {
				name, about   string
				client, admin bool
			}{
				{"Free", "", true, true},
				{"Own", c.UUID(), true, true},
				{"Own", other.UUID(), false, true},
				{"Own", "", false, true},
				{"Closed", c.UUID(), false, true},
				{"Forgotten", c.UUID(), false, true},
			} {
				tm.quiet()
				text := fmt.Sprintf(`{"name":%q,"connection":%q}`, row.name, row.about)
				tm.say(s, text)
				want := "PromptForAuthentication"
				if row.client && !admin || row.admin && admin {
					want = row.name + "Done"
				}
				s.hears(tm, fmt.Sprintf("admin %v says %s", admin, text), want)
			}
		}
		tm.quiet()
		tm.turn(func() { c.SetAdmin(false) })
		tm.quiet()
		tm.say(s, `{"name":"Own","connection":7}`)
		s.hears(tm, "an owner that is no string", "PromptForAuthentication")
	})
}

// Authorize narrows a protection and never widens it; its error is handled like one of the handler.
func TestAuthorize(t *testing.T) {
	asked := 0
	inBubble(t, defaults(), func(tm *testManager) {
		authorize := func(_ script.Client, m script.Incoming) (bool, error) {
			asked++
			if m.Value.(object)["fail"] != nil {
				return true, errors.New("broken")
			}
			return m.Value.(object)["please"] != nil, nil
		}
		register(
			tm, tm.h,
			script.Message{Name: "Free", Protection: auth.None, Authorize: authorize},
			script.Message{Name: "Closed", Authorize: authorize},
		)
	}, func(tm *testManager) {
		s, _ := tm.open()
		tm.say(s, `{"name":"Free","please":1}`)
		tm.say(s, `{"name":"Free"}`)
		tm.say(s, `{"name":"Free","fail":1}`)
		tm.say(s, `{"name":"Closed","please":1}`)
		s.hears(tm, "authorize", "FreeDone", "PromptForAuthentication", "MessageException", "PromptForAuthentication")
		if asked != 3 {
			tm.Errorf("authorize was asked %d times, want 3: not where the protection refuses", asked)
		}
	})
}

// A client that is refused gets its message back without the secrets.
func TestPrompt(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Closed"})
	}, func(tm *testManager) {
		s, _ := tm.open()
		tm.say(s, `{"name":"Closed","password":"hunter2","a":{"Token":"x"}}`)
		got := s.take()[0]
		contains(tm, "prompt", string(got), `"previous":{"name":"Closed","password":"[redacted]","a":{"Token":"[redacted]"}}`,
			`"message":"Authorization required."`, `"code":401`)
		if strings.Contains(string(got), "hunter2") {
			tm.Errorf("prompt = %s, want no password in it", got)
		}
	})
}

// An invalid or unknown message is answered in order, with its id.
func TestBadMessages(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Free", Protection: auth.None})
	}, func(tm *testManager) {
		s, _ := tm.open()
		for _, row := range []struct{ text, exception, message, previous string }{
			{`[1]`, "InvalidMessage", "one JSON object", ""},
			{`{"id":"a"}`, "InvalidMessage", "has a name", "a"},
			{`{"id":"a","name":"Free","x":[[[[1]]]]}`, "InvalidMessage", "too deeply", "a"},
			{`{"id":7,"name":"Nope"}`, "UnknownMessage", "Nope", "7"},
		} {
			tm.m.Message(s, []byte(row.text))
			tm.say(s, `{"name":"Free"}`)
			heard := s.take()
			if len(heard) != 2 || heard[1].name() != "FreeDone" {
				tm.Fatalf("%s: heard %v, want an exception and FreeDone", row.text, heard)
			}
			got := heard[0].fields()
			previous, _ := got["previous"].(string)
			if got["exception"] != row.exception || previous != row.previous || !strings.Contains(fmt.Sprint(got["message"]), row.message) {
				tm.Errorf("%s: heard %v, want %s about %q with previous %q", row.text, got, row.exception, row.message, row.previous)
			}
		}
	})
}

// The answer to an unknown message names a similar one only if the settings allow it. They can be changed.
func TestSuggestMessages(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Free", Protection: auth.None})
	}, func(tm *testManager) {
		s, _ := tm.open()
		for _, row := range []struct {
			suggest    bool
			name, want string
		}{
			{false, "Fre", "unknown message Fre"},
			{true, "Fre", "unknown message Fre; did you mean Free?"},
			{true, "Quite different", "unknown message Quite different"},
			{false, "Fre", "unknown message Fre"},
		} {
			o := defaults()
			o.SuggestMessages = row.suggest
			tm.m.Configure(o)
			tm.say(s, fmt.Sprintf(`{"name":%q}`, row.name))
			if got := s.take()[0].fields()["message"]; got != row.want {
				tm.Errorf("the answer to %s with SuggestMessages %t = %q, want %q", row.name, row.suggest, got, row.want)
			}
		}
	})
}

// More than max_bad_messages within a minute close the connection, after the answers. Valid messages and errors of handlers do
// not count.
func TestTooManyBadMessages(t *testing.T) {
	o := defaults()
	o.Limits.MaxBadMessages = 3
	inBubble(t, o, func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Fail", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			return errors.New("broken")
		}})
	}, func(tm *testManager) {
		var reasons []string
		tm.app.closed = func(c script.Client, reason string) error {
			reasons = append(reasons, fmt.Sprint(reason, " ", c.Open(), " ", tm.h.Connection(c.UUID())))
			return nil
		}
		s, _ := tm.open()
		for range 3 {
			tm.say(s, `{"name":"Fail"}`)
			tm.say(s, `nonsense`)
		}
		time.Sleep(time.Minute)
		for range 3 {
			tm.say(s, `nonsense`)
		}
		if len(s.ends()) != 0 {
			tm.Fatalf("after 3 bad messages a minute: closed with %v, want open", s.ends())
		}
		s.take()
		tm.m.Message(s, []byte("nonsense"))
		tm.m.Message(s, []byte("nonsense"))
		tm.m.Closed(s, wire.CloseBadRequest(), broker.EndForGood)
		synctest.Wait()
		s.hears(tm, "the last one", "MessageException")
		if len(s.ends()) != 1 || s.ends()[0] != wire.CloseBadRequest() {
			tm.Errorf("after 4 bad messages a minute: closed with %v, want once with %v", s.ends(), wire.CloseBadRequest())
		}
		if len(reasons) != 1 || reasons[0] != "bad request false <nil>" {
			tm.Errorf("close hook heard %q, want once, bad request, of a connection that has left", reasons)
		}
	})
}

// Listeners run after the handler, in the order of registration, until one fails. A silenced one does not run.
func TestListeners(t *testing.T) {
	var ran []string
	var silence func()
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Ring", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			ran = append(ran, "handler")
			return nil
		}})
		for _, name := range []string{"A", "B", "C", "D"} {
			err := tm.h.Command(script.Command{Name: name, Source: name, Run: func(arguments wire.Value) (wire.Value, error) {
				ran = append(ran, name+" "+arguments.(object).by())
				if name == "C" {
					return nil, errors.New("broken")
				}
				return nil, nil
			}})
			if err != nil {
				tm.Fatal(err)
			}
		}
		for _, command := range []string{"B", "A", "C", "D"} {
			quiet, err := tm.h.Listen("Ring", command, "test.lua:1")
			if err != nil {
				tm.Fatal(err)
			}
			if command == "A" {
				silence = quiet
			}
		}
	}, func(tm *testManager) {
		s, _ := tm.open()
		tm.say(s, `{"name":"Ring","by":"bob"}`)
		tm.turn(silence)
		tm.say(s, `{"name":"Ring","by":"eve"}`)
		tm.haveRun(&ran, "handler, B bob, A bob, C bob, handler, B eve, C eve")
		s.hears(tm, "a listener fails", "MessageException", "MessageException")
	})
}

// A waiting handler does not block others, outlives its connection, and ends without a log line when the loop ends.
func TestWaitingHandler(t *testing.T) {
	var l *loop.Loop
	ended := map[string]error{}
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Quick", Protection: auth.None})
		register(tm, tm.h, script.Message{Name: "Wait", Protection: auth.None, Handle: func(c script.Client, in script.Incoming) error {
			c.SetName("waiting")
			err := l.Await(func(wake func()) { time.AfterFunc(time.Minute, wake) })
			c.SetType("patient")
			ended[in.Value.(object).by()] = err
			return errors.Join(err, tm.send(c, "Waited", nil))
		}})
	}, func(tm *testManager) {
		l = tm.loop
		s, c := tm.open()
		gone, _ := tm.open()
		tm.quiet()
		tm.say(s, `{"name":"Wait","by":"first"}`)
		tm.say(gone, `{"name":"Wait","by":"gone"}`)
		gone.hears(tm, "the one that leaves", "UpdateConnections")
		tm.m.Closed(gone, wire.CloseNormal(""), broker.EndForGood)
		tm.say(s, `{"name":"Quick"}`)
		s.hears(tm, "while it waits", "UpdateConnections", "QuickDone")
		time.Sleep(time.Second)
		synctest.Wait()
		s.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		s.hears(tm, "after the wait", "Waited", "UpdateConnections")
		gone.hears(tm, "the one that left")
		tm.say(s, `{"name":"Wait","by":"last"}`)
		tm.halt()
		if ended["first"] != nil || ended["gone"] != nil || !errors.Is(ended["last"], loop.ErrStopped) || c.Type() != "patient" {
			tm.Errorf("waits ended with %v, want nil, nil for gone, and ErrStopped for last", ended)
		}
		if strings.Contains(tm.log.String(), "level=ERROR") {
			tm.Errorf("log = %s, want no error", tm.log)
		}
	})
}
