package manager

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/wire"
)

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
