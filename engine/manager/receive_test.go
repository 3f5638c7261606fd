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
	"perigee/engine/logging"
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

// failure is an error with a traceback.
type failure struct{}

func (failure) Error() string     { return "chat.lua:3: boom" }
func (failure) Traceback() string { return "in function shout" }

// When a handler fails, the client gets a reference, the log has the error in full, and the error hook runs.
func TestHandlerFails(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Fail", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			return fmt.Errorf("wrapped: %w", failure{})
		}})
	}, func(tm *testManager) {
		var problems []string
		tm.app.failed = func(c script.Client, problem string) error {
			problems = append(problems, problem)
			return tm.send(c, "Sorry", nil)
		}
		s, c := tm.open()
		tm.say(s, `{"name":"Fail","id":"9"}`)
		heard := s.take()
		if len(heard) != 2 || heard[1].name() != "Sorry" {
			tm.Fatalf("heard %v, want MessageException and what the error hook sent", heard)
		}
		got := heard[0].fields()
		message := fmt.Sprint(got["message"])
		ref := strings.TrimSuffix(strings.TrimPrefix(message, "internal error (ref "), ")")
		if got["exception"] != "HandlerFailed" || got["code"] != 500.0 || got["previous"] != "9" || len(ref) != 4 {
			tm.Errorf("heard %v, want HandlerFailed 500 with a reference of 4 digits and previous 9", got)
		}
		contains(tm, "log", tm.log.String(), "level=ERROR", `turn="message Fail"`, "generation=1", "ref="+ref, "chat.lua:3: boom",
			`traceback="in function shout"`, "uuid="+c.UUID())
		if n := strings.Count(tm.log.String(), "\n"); n != 1 {
			tm.Errorf("log has %d lines, want 1:\n%s", n, tm.log)
		}
		if len(problems) != 1 || problems[0] != "wrapped: chat.lua:3: boom" {
			tm.Errorf("error hook heard %q, want the error's text once", problems)
		}
		if len(s.ends()) != 0 {
			tm.Errorf("closed with %v, want open", s.ends())
		}
	})
}

// placed is an error with a place.
type placed struct{ error }

func (p placed) Place() string { return "chat.lua:3" }

// Errors of the same turn at the same place are logged once a second, with how many were suppressed. The reference of every
// answer is in the log.
func TestHandlerFailsAgain(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		n := 0
		fail := func(c script.Client, in script.Incoming) error {
			n++
			if strings.Contains(string(in.Text), "elsewhere") {
				return fmt.Errorf("elsewhere: %d", n)
			}
			return placed{fmt.Errorf("boom %d%s", n, strings.Repeat("!", 1<<20))}
		}
		register(tm, tm.h, script.Message{Name: "Fail", Protection: auth.None, Handle: fail},
			script.Message{Name: "FailToo", Protection: auth.None, Handle: fail})
	}, func(tm *testManager) {
		s, _ := tm.open()
		fail := func(text string) (ref string) {
			tm.Helper()
			tm.say(s, text)
			heard := s.take()
			if len(heard) != 1 || heard[0].name() != wire.MessageException {
				tm.Fatalf("%s: heard %v, want MessageException", text, heard)
			}
			_, ref, _ = strings.Cut(fmt.Sprint(heard[0].fields()["message"]), "(ref ")
			return strings.TrimSuffix(ref, ")")
		}
		logged := func() int { return strings.Count(tm.log.String(), "\n") }
		first := fail(`{"name":"Fail"}`)
		for range 49 {
			if ref := fail(`{"name":"Fail"}`); ref != first {
				tm.Errorf("the same failure within a second has reference %s, want %s, which is in the log", ref, first)
			}
		}
		contains(tm, "log", tm.log.String(), "ref="+first, "boom 1!", "suppressed=0", "more bytes)")
		if n := logged(); n != 1 || len(tm.log.String()) > 2*logging.MaxValue {
			tm.Errorf("50 times the same failure: %d lines of %d bytes, want one that is short", n, len(tm.log.String()))
		}
		fail(`{"name":"Fail","elsewhere":true}`)
		fail(`{"name":"FailToo"}`)
		if n := logged(); n != 3 {
			tm.Errorf("after others at another place and in another turn: %d lines, want 3", n)
		}
		time.Sleep(time.Second)
		again := fail(`{"name":"Fail"}`)
		contains(tm, "log", tm.log.String(), "ref="+again, "boom 53!", "suppressed=49")
	})
}

// If a hook fails, the connection stays open. If the error hook fails, that is only logged.
func TestHooksFail(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.app.open = func(script.Client) error { return errors.New("no open") }
		tm.app.closed = func(script.Client, string) error { return errors.New("no close") }
		tm.app.failed = func(script.Client, string) error { return errors.New("no error") }
		tm.app.roster = func(script.Client) ([]byte, error) { return nil, errors.New("no roster") }
		s := tm.newSocket()
		tm.m.Open(s)
		synctest.Wait()
		s.hears(tm, "open hook fails", "MessageException", "UpdateConnections")
		tm.say(s, `{"name":"Nope"}`)
		s.hears(tm, "still open", "MessageException")
		tm.m.Closed(s, wire.CloseNormal(""), broker.EndForGood)
		synctest.Wait()
		contains(tm, "log", tm.log.String(), "no open", "no close", "no error", "no roster")
	})
}

// Fields are checked once, before the handler. A client that may not send the message is told that, and nothing about the fields.
func TestSchema(t *testing.T) {
	checks, handled := 0, 0
	check := func(text []byte) error {
		checks++
		if !strings.Contains(string(text), `"good"`) {
			return errors.New("word: must be good")
		}
		return nil
	}
	handle := func(script.Client, script.Incoming) error {
		handled++
		return nil
	}
	authorize := func(_ script.Client, in script.Incoming) (bool, error) {
		switch in.Value.(object).by() {
		case "eve":
			return false, nil
		case "nobody":
			return true, errors.New("boom")
		}
		return true, nil
	}
	o := defaults()
	o.Limits.MaxBadMessages = 3
	inBubble(t, o, func(tm *testManager) {
		register(
			tm, tm.h,
			script.Message{Name: "Say", Protection: auth.None, Check: check, Handle: handle, Authorize: authorize},
			script.Message{Name: "Rule", Protection: auth.Admin, Check: check, Handle: handle},
		)
	}, func(tm *testManager) {
		s, _ := tm.open()
		tm.quiet()
		for _, row := range []struct {
			text, want string
			handled    int
		}{
			{`{"name":"Say","word":"good"}`, "", 1},
			{`{"name":"Say","word":"bad","id":"7"}`, "InvalidFields", 0},
			{`{"name":"Say","word":"bad","by":"eve"}`, "Authorization", 0},
			{`{"name":"Say","word":"good","by":"nobody"}`, "HandlerFailed", 0},
			{`{"name":"Say","word":"bad","by":"nobody"}`, "InvalidFields", 0},
			{`{"name":"Rule","word":"bad"}`, "Authorization", 0},
			{`{"name":"Rule","word":"good"}`, "Authorization", 0},
			{`{"name":"Say","word":bad}`, "InvalidMessage", 0},
		} {
			checks, handled = 0, 0
			tm.say(s, row.text)
			heard := ""
			for _, f := range s.take() {
				heard += string(f)
			}
			if row.want == "" && heard != "" || !strings.Contains(heard, row.want) || handled != row.handled || checks > 1 {
				tm.Errorf("%s: heard %s, handled %d times after %d checks, want %q and %d", row.text, heard, handled, checks, row.want, row.handled)
			}
			if row.want == "InvalidFields" && !strings.Contains(heard, `"message":"word: must be good","code":422`) {
				tm.Errorf("%s: heard %s, want what is wrong and 422", row.text, heard)
			}
		}
		if len(s.ends()) != 0 {
			tm.Errorf("closed with %v after 3 bad messages, want open", s.ends())
		}
		tm.say(s, `{"name":"Say","word":"bad"}`)
		if ends := s.ends(); len(ends) != 1 || ends[0] != wire.CloseBadRequest() {
			tm.Errorf("closed with %v after one bad message too many, want %v", ends, wire.CloseBadRequest())
		}
	})
}

// Fields are checked again if the scripts, and with them the schema, were replaced after the first check.
func TestSchemaReplaced(t *testing.T) {
	load := func(want string) func(tm *testManager) {
		return func(tm *testManager) {
			register(tm, tm.h, script.Message{Name: "Say", Protection: auth.None, Check: func(text []byte) error {
				if !strings.Contains(string(text), want) {
					return errors.New("word: must be " + want)
				}
				return nil
			}})
		}
	}
	inBubble(t, defaults(), load("old"), func(tm *testManager) {
		s, _ := tm.open()
		tm.quiet()
		tm.turn(func() {
			// Other scripts take over between the reading and the handling of the message.
			arrived := make(chan struct{})
			go func() {
				tm.m.Message(s, []byte(`{"name":"Say","word":"old"}`))
				close(arrived)
			}()
			<-arrived
			err := tm.m.install(func(h script.Host) (Application, error) {
				tm.h = h
				load("new")(tm)
				return tm.app, nil
			}, tm.swap)
			if err != nil {
				tm.Error(err)
			}
		})
		synctest.Wait()
		s.hears(tm, "a message checked by the old schema", "MessageException")
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
