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
	"perigee/engine/script"
	"perigee/engine/wire"
)

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
		s.hears(tm, "open hook fails", "MessageException")
		tm.say(s, `{"name":"Nope"}`)
		s.hears(tm, "still open", "MessageException")
		tm.m.Closed(s, wire.CloseNormal(""), broker.EndForGood)
		synctest.Wait()
		contains(tm, "log", tm.log.String(), "no open", "no close", "no error", "no roster")
	})
}
