package manager

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A message is let through by its protection alone, who sends it and whom it is about.
func TestGuard(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(
			r, r.h,
			script.Message{Name: "Free", Protection: auth.None},
			script.Message{Name: "Own", Protection: auth.Client, Owner: "connection"},
			script.Message{Name: "Closed", Protection: auth.Admin},
			script.Message{Name: "Forgotten"},
		)
	}, func(r *rig) {
		s, c := r.open()
		_, other := r.open()
		for _, admin := range []bool{false, true} {
			r.turn(func() { c.SetAdmin(admin) })
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
				r.quiet()
				text := fmt.Sprintf(`{"name":%q,"connection":%q}`, row.name, row.about)
				r.say(s, text)
				want := "PromptForAuthentication"
				if row.client && !admin || row.admin && admin {
					want = row.name + "Done"
				}
				s.hears(r, fmt.Sprintf("admin %v says %s", admin, text), want)
			}
		}
		r.quiet()
		r.turn(func() { c.SetAdmin(false) })
		r.quiet()
		r.say(s, `{"name":"Own","connection":7}`)
		s.hears(r, "an owner that is no string", "PromptForAuthentication")
	})
}

// Authorize narrows a protection and never widens it; its error is the handler's.
func TestAuthorize(t *testing.T) {
	asked := 0
	inBubble(t, defaults(), func(r *rig) {
		authorize := func(_ script.Client, m script.Incoming) (bool, error) {
			asked++
			if m.Value.(object)["fail"] != nil {
				return true, errors.New("broken")
			}
			return m.Value.(object)["please"] != nil, nil
		}
		register(
			r, r.h,
			script.Message{Name: "Free", Protection: auth.None, Authorize: authorize},
			script.Message{Name: "Closed", Authorize: authorize},
		)
	}, func(r *rig) {
		s, _ := r.open()
		r.say(s, `{"name":"Free","please":1}`)
		r.say(s, `{"name":"Free"}`)
		r.say(s, `{"name":"Free","fail":1}`)
		r.say(s, `{"name":"Closed","please":1}`)
		s.hears(r, "authorize", "FreeDone", "PromptForAuthentication", "MessageException", "PromptForAuthentication")
		if asked != 3 {
			r.Errorf("authorize was asked %d times, want 3: not where the protection refuses", asked)
		}
	})
}

// Whoever is refused gets the message back without its secrets.
func TestPrompt(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Closed"})
	}, func(r *rig) {
		s, _ := r.open()
		r.say(s, `{"name":"Closed","password":"hunter2","a":{"Token":"x"}}`)
		got := s.take()[0]
		contains(r, "prompt", string(got), `"previous":{"name":"Closed","password":"[redacted]","a":{"Token":"[redacted]"}}`,
			`"message":"Authorization required."`, `"code":401`)
		if strings.Contains(string(got), "hunter2") {
			r.Errorf("prompt = %s, want no password in it", got)
		}
	})
}

// What cannot be read or is not known is answered in its place among the answers, with the id it had.
func TestBadMessages(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Free", Protection: auth.None})
	}, func(r *rig) {
		s, _ := r.open()
		for _, row := range []struct{ text, exception, message, previous string }{
			{`[1]`, "InvalidMessage", "one JSON object", ""},
			{`{"id":"a"}`, "InvalidMessage", "has a name", "a"},
			{`{"id":"a","name":"Free","x":[[[[1]]]]}`, "InvalidMessage", "too deeply", "a"},
			{`{"id":7,"name":"Nope"}`, "UnknownMessage", "Nope", "7"},
		} {
			r.m.Message(s, []byte(row.text))
			r.say(s, `{"name":"Free"}`)
			heard := s.take()
			if len(heard) != 2 || heard[1].name() != "FreeDone" {
				r.Fatalf("%s: heard %v, want an exception and FreeDone", row.text, heard)
			}
			got := heard[0].fields()
			previous, _ := got["previous"].(string)
			if got["exception"] != row.exception || previous != row.previous || !strings.Contains(fmt.Sprint(got["message"]), row.message) {
				r.Errorf("%s: heard %v, want %s about %q with previous %q", row.text, got, row.exception, row.message, row.previous)
			}
		}
	})
}

// More than max_bad_messages within a minute close the connection, after the answers; good ones and errors of
// handlers do not count.
func TestTooManyBadMessages(t *testing.T) {
	o := defaults()
	o.Limits.MaxBadMessages = 3
	inBubble(t, o, func(r *rig) {
		register(r, r.h, script.Message{Name: "Fail", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			return errors.New("broken")
		}})
	}, func(r *rig) {
		var reasons []string
		r.app.closed = func(c script.Client, reason string) error {
			reasons = append(reasons, fmt.Sprint(reason, " ", c.Open(), " ", r.h.Connection(c.UUID())))
			return nil
		}
		s, _ := r.open()
		for range 3 {
			r.say(s, `{"name":"Fail"}`)
			r.say(s, `nonsense`)
		}
		time.Sleep(time.Minute)
		for range 3 {
			r.say(s, `nonsense`)
		}
		if len(s.ends()) != 0 {
			r.Fatalf("after 3 bad messages a minute: closed with %v, want open", s.ends())
		}
		s.take()
		r.m.Message(s, []byte("nonsense"))
		r.m.Message(s, []byte("nonsense"))
		r.m.Closed(s, wire.CloseBadRequest())
		synctest.Wait()
		s.hears(r, "the last one", "MessageException")
		if len(s.ends()) != 1 || s.ends()[0] != wire.CloseBadRequest() {
			r.Errorf("after 4 bad messages a minute: closed with %v, want once with %v", s.ends(), wire.CloseBadRequest())
		}
		if len(reasons) != 1 || reasons[0] != "bad request false <nil>" {
			r.Errorf("close hook heard %q, want once, bad request, of a connection that has left", reasons)
		}
	})
}

// failure is an error with a traceback.
type failure struct{}

func (failure) Error() string     { return "chat.lua:3: boom" }
func (failure) Traceback() string { return "in function shout" }

// An error of a handler is told to the client as a reference, to the log in full, and to the error hook.
func TestHandlerFails(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Fail", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			return fmt.Errorf("wrapped: %w", failure{})
		}})
	}, func(r *rig) {
		var problems []string
		r.app.failed = func(c script.Client, problem string) error {
			problems = append(problems, problem)
			return r.send(c, "Sorry", nil)
		}
		s, c := r.open()
		r.say(s, `{"name":"Fail","id":"9"}`)
		heard := s.take()
		if len(heard) != 2 || heard[1].name() != "Sorry" {
			r.Fatalf("heard %v, want MessageException and what the error hook sent", heard)
		}
		got := heard[0].fields()
		message := fmt.Sprint(got["message"])
		ref := strings.TrimSuffix(strings.TrimPrefix(message, "internal error (ref "), ")")
		if got["exception"] != "HandlerFailed" || got["code"] != 500.0 || got["previous"] != "9" || len(ref) != 4 {
			r.Errorf("heard %v, want HandlerFailed 500 with a reference of 4 digits and previous 9", got)
		}
		contains(r, "log", r.log.String(), "level=ERROR", `turn="message Fail"`, "generation=1", "ref="+ref, "chat.lua:3: boom",
			`traceback="in function shout"`, "uuid="+c.UUID())
		if n := strings.Count(r.log.String(), "\n"); n != 1 {
			r.Errorf("log has %d lines, want 1:\n%s", n, r.log)
		}
		if len(problems) != 1 || problems[0] != "wrapped: chat.lua:3: boom" {
			r.Errorf("error hook heard %q, want the error's text once", problems)
		}
		if len(s.ends()) != 0 {
			r.Errorf("closed with %v, want open", s.ends())
		}
	})
}

// placed is an error that says where it comes from.
type placed struct{ error }

func (p placed) Place() string { return "chat.lua:3" }

// The same turn that fails at the same place is logged once a second, with how many were suppressed; every answer has a
// reference that is in the log.
func TestHandlerFailsAgain(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		n := 0
		fail := func(c script.Client, in script.Incoming) error {
			n++
			if strings.Contains(string(in.Text), "elsewhere") {
				return fmt.Errorf("elsewhere: %d", n)
			}
			return placed{fmt.Errorf("boom %d%s", n, strings.Repeat("!", 1<<20))}
		}
		register(r, r.h, script.Message{Name: "Fail", Protection: auth.None, Handle: fail},
			script.Message{Name: "FailToo", Protection: auth.None, Handle: fail})
	}, func(r *rig) {
		s, _ := r.open()
		fail := func(text string) (ref string) {
			r.Helper()
			r.say(s, text)
			heard := s.take()
			if len(heard) != 1 || heard[0].name() != wire.MessageException {
				r.Fatalf("%s: heard %v, want MessageException", text, heard)
			}
			_, ref, _ = strings.Cut(fmt.Sprint(heard[0].fields()["message"]), "(ref ")
			return strings.TrimSuffix(ref, ")")
		}
		logged := func() int { return strings.Count(r.log.String(), "\n") }
		first := fail(`{"name":"Fail"}`)
		for range 49 {
			if ref := fail(`{"name":"Fail"}`); ref != first {
				r.Errorf("the same failure within a second has reference %s, want %s, which is in the log", ref, first)
			}
		}
		contains(r, "log", r.log.String(), "ref="+first, "boom 1!", "suppressed=0", "more bytes)")
		if n := logged(); n != 1 || len(r.log.String()) > 2*logging.MaxValue {
			r.Errorf("50 times the same failure: %d lines of %d bytes, want one that is short", n, len(r.log.String()))
		}
		fail(`{"name":"Fail","elsewhere":true}`)
		fail(`{"name":"FailToo"}`)
		if n := logged(); n != 3 {
			r.Errorf("after others at another place and in another turn: %d lines, want 3", n)
		}
		time.Sleep(time.Second)
		again := fail(`{"name":"Fail"}`)
		contains(r, "log", r.log.String(), "ref="+again, "boom 53!", "suppressed=49")
	})
}

// A failing hook leaves the connection open; a failing error hook is logged and ends there.
func TestHooksFail(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.app.open = func(script.Client) error { return errors.New("no open") }
		r.app.closed = func(script.Client, string) error { return errors.New("no close") }
		r.app.failed = func(script.Client, string) error { return errors.New("no error") }
		r.app.roster = func(script.Client) ([]byte, error) { return nil, errors.New("no roster") }
		s := r.newSocket()
		r.m.Open(s)
		synctest.Wait()
		s.hears(r, "open hook fails", "MessageException", "UpdateConnections")
		r.say(s, `{"name":"Nope"}`)
		s.hears(r, "still open", "MessageException")
		r.m.Closed(s, wire.CloseNormal(""))
		synctest.Wait()
		contains(r, "log", r.log.String(), "no open", "no close", "no error", "no roster")
	})
}

// Fields are checked once, before the handler; whoever may not send the message hears that and nothing of its fields.
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
	inBubble(t, o, func(r *rig) {
		register(
			r, r.h,
			script.Message{Name: "Say", Protection: auth.None, Check: check, Handle: handle, Authorize: authorize},
			script.Message{Name: "Rule", Protection: auth.Admin, Check: check, Handle: handle},
		)
	}, func(r *rig) {
		s, _ := r.open()
		r.quiet()
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
			r.say(s, row.text)
			heard := ""
			for _, f := range s.take() {
				heard += string(f)
			}
			if row.want == "" && heard != "" || !strings.Contains(heard, row.want) || handled != row.handled || checks > 1 {
				r.Errorf("%s: heard %s, handled %d times after %d checks, want %q and %d", row.text, heard, handled, checks, row.want, row.handled)
			}
			if row.want == "InvalidFields" && !strings.Contains(heard, `"message":"word: must be good","code":422`) {
				r.Errorf("%s: heard %s, want what is wrong and 422", row.text, heard)
			}
		}
		if len(s.ends()) != 0 {
			r.Errorf("closed with %v after 3 bad messages, want open", s.ends())
		}
		r.say(s, `{"name":"Say","word":"bad"}`)
		if ends := s.ends(); len(ends) != 1 || ends[0] != wire.CloseBadRequest() {
			r.Errorf("closed with %v after one bad message too many, want %v", ends, wire.CloseBadRequest())
		}
	})
}

// Fields that were checked by a schema which scripts have replaced since are checked again.
func TestSchemaReplaced(t *testing.T) {
	load := func(want string) func(r *rig) {
		return func(r *rig) {
			register(r, r.h, script.Message{Name: "Say", Protection: auth.None, Check: func(text []byte) error {
				if !strings.Contains(string(text), want) {
					return errors.New("word: must be " + want)
				}
				return nil
			}})
		}
	}
	inBubble(t, defaults(), load("old"), func(r *rig) {
		s, _ := r.open()
		r.quiet()
		r.turn(func() {
			// The message is on its way while other scripts take over.
			arrived := make(chan struct{})
			go func() {
				r.m.Message(s, []byte(`{"name":"Say","word":"old"}`))
				close(arrived)
			}()
			<-arrived
			err := r.m.install(func(h script.Host) (Application, error) {
				r.h = h
				load("new")(r)
				return r.app, nil
			}, r.swap)
			if err != nil {
				r.Error(err)
			}
		})
		synctest.Wait()
		s.hears(r, "a message checked by the old schema", "MessageException")
	})
}

// Listeners run after the handler, in the order of listening, until one fails; a silenced one does not.
func TestListeners(t *testing.T) {
	var ran []string
	var silence func()
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Ring", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			ran = append(ran, "handler")
			return nil
		}})
		for _, name := range []string{"A", "B", "C", "D"} {
			err := r.h.Command(script.Command{Name: name, Source: name, Run: func(arguments wire.Value) (wire.Value, error) {
				ran = append(ran, name+" "+arguments.(object).by())
				if name == "C" {
					return nil, errors.New("broken")
				}
				return nil, nil
			}})
			if err != nil {
				r.Fatal(err)
			}
		}
		for _, command := range []string{"B", "A", "C", "D"} {
			quiet, err := r.h.Listen("Ring", command, "test.lua:1")
			if err != nil {
				r.Fatal(err)
			}
			if command == "A" {
				silence = quiet
			}
		}
	}, func(r *rig) {
		s, _ := r.open()
		r.say(s, `{"name":"Ring","by":"bob"}`)
		r.turn(silence)
		r.say(s, `{"name":"Ring","by":"eve"}`)
		r.haveRun(&ran, "handler, B bob, A bob, C bob, handler, B eve, C eve")
		s.hears(r, "a listener fails", "MessageException", "MessageException")
	})
}

// A handler that waits holds up nobody, outlives its connection, and ends quietly with the loop.
func TestWaitingHandler(t *testing.T) {
	var l *loop.Loop
	ended := map[string]error{}
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Quick", Protection: auth.None})
		register(r, r.h, script.Message{Name: "Wait", Protection: auth.None, Handle: func(c script.Client, in script.Incoming) error {
			c.SetName("waiting")
			err := l.Await(func(wake func()) { time.AfterFunc(time.Minute, wake) })
			c.SetType("patient")
			ended[in.Value.(object).by()] = err
			return errors.Join(err, r.send(c, "Waited", nil))
		}})
	}, func(r *rig) {
		l = r.loop
		s, c := r.open()
		gone, _ := r.open()
		r.quiet()
		r.say(s, `{"name":"Wait","by":"first"}`)
		r.say(gone, `{"name":"Wait","by":"gone"}`)
		gone.hears(r, "the one that leaves", "UpdateConnections")
		r.m.Closed(gone, wire.CloseNormal(""))
		r.say(s, `{"name":"Quick"}`)
		s.hears(r, "while it waits", "UpdateConnections", "QuickDone")
		time.Sleep(time.Second)
		synctest.Wait()
		s.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		s.hears(r, "after the wait", "Waited", "UpdateConnections")
		gone.hears(r, "the one that left")
		r.say(s, `{"name":"Wait","by":"last"}`)
		r.halt()
		if ended["first"] != nil || ended["gone"] != nil || !errors.Is(ended["last"], loop.ErrStopped) || c.Type() != "patient" {
			r.Errorf("waits ended with %v, want nil, nil for gone, and ErrStopped for last", ended)
		}
		if strings.Contains(r.log.String(), "level=ERROR") {
			r.Errorf("log = %s, want no error", r.log)
		}
	})
}
