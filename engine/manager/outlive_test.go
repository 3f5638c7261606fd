package manager

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/script"
	"perigee/engine/wire"
)

// After a reload everybody is shown what the new scripts say of those who were there before.
func TestRosterOfNewScripts(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, _ := r.open()
		r.quiet()
		_, err := r.m.Install(r.Context(), func(script.Host) (Application, error) {
			return &application{roster: func(script.Client) ([]byte, error) { return []byte(`{"shown":"anew"}`), nil }}, nil
		})
		r.must(err)
		time.Sleep(time.Second)
		synctest.Wait()
		heard := s.take()
		if len(heard) != 1 || heard[0].name() != "UpdateConnections" || !strings.Contains(string(heard[0]), `{"shown":"anew"}`) {
			r.Errorf("after the reload heard %s, want the roster of the new scripts", heard)
		}
	})
}

// Of several timers of boot that are alike, each takes over from the one in its place.
func TestTimersTakenOverInOrder(t *testing.T) {
	slow := script.TimerOptions{Name: "Tick", Command: "Tick", Every: 1000 * ms, Source: "a.lua:5"}
	fast := script.TimerOptions{Name: "Tick", Command: "Tick", Every: 300 * ms, Source: "a.lua:6"}
	inTicks(t, []script.TimerOptions{slow, fast}, func(k *ticks) {
		k.pass(700)
		k.expect("before", "1 at 300", "1 at 600")
		k.reload(k.boot("2", slow, fast))
		k.pass(400)
		k.expect("after", "2 at 900", "2 at 1000")
	})
}

// Handlers of scripts that were replaced reach the commands of those that run, also new ones, and what they give these becomes
// theirs; what is lost on the way is logged.
func TestArgumentsOfReplacedScripts(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), nil, func(r *rig) {
		old := r.h
		_, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
			commands(r, h, &ran, "New")
			return &application{adopt: adoptPartly}, nil
		})
		r.must(err)
		r.turn(func() {
			_, err := old.Delay(10*ms, "New", wire.Raw("delayed"))
			r.must(err)
			_, err = old.Timer(script.TimerOptions{Name: "New", Command: "New", Arguments: wire.Raw("timed"), Every: 20 * ms, Once: true})
			r.must(err)
		})
		time.Sleep(time.Second)
		synctest.Wait()
		r.haveRun(&ran, "New adopted delayed, New adopted timed")
		contains(r, "log", r.log.String(), "the arguments of command New lose a function", "the arguments of timer New lose a function")
	})
}

// What a timer or a delayed command changes of a client is shown to the others, as what a message changes is.
func TestWorkIsShown(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		change := func(to string) error { return c.SetAttribute("seat", wire.Raw(to)) }
		r.reload(func(h script.Host) {
			r.must(h.Command(script.Command{Name: "Move", Source: "t.lua:1", Run: func(v wire.Value) (wire.Value, error) {
				return nil, change(fmt.Sprintf("%s", v))
			}}))
		})
		for _, row := range []struct {
			name  string
			begin func() error
		}{
			{"a timer of a command", func() error {
				_, err := r.h.Timer(script.TimerOptions{Name: "Move", Command: "Move", Arguments: wire.Raw("1"), Every: ms, Once: true})
				return err
			}},
			{"a timer of a function", func() error {
				_, err := r.h.Timer(script.TimerOptions{Name: "t.lua:2", Run: func() error { return change("2") }, Every: ms, Once: true})
				return err
			}},
			{"a delayed command", func() error {
				_, err := r.h.Delay(ms, "Move", wire.Raw("3"))
				return err
			}},
		} {
			r.quiet()
			r.turn(func() { r.must(row.begin()) })
			time.Sleep(time.Second)
			synctest.Wait()
			s.hears(r, row.name, "UpdateConnections")
		}
	})
}

// A timer that is over is forgotten, whatever it ran; one whose command fails is logged with its place.
func TestTimersThatAreOver(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.reload(func(h script.Host) {
			r.must(h.Command(script.Command{Name: "Fail", Source: "t.lua:1", Run: func(wire.Value) (wire.Value, error) {
				return nil, errors.New("the till is locked")
			}}))
		})
		ended := 0
		r.turn(func() {
			for _, o := range []script.TimerOptions{
				{Name: "Fail", Command: "Fail", Every: ms, Once: true, Source: "h.lua:7"},
				{Name: "h.lua:8", Run: func() error { return nil }, Every: ms, Once: true, Source: "h.lua:8", Ended: func() { ended++ }},
			} {
				_, err := r.h.Timer(o)
				r.must(err)
			}
			if g := r.m.generation.Load(); len(r.m.timers) != 1 || len(g.loose) != 1 {
				r.Errorf("%d timers of commands and %d of functions, want one of each", len(r.m.timers), len(g.loose))
			}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		r.turn(func() {
			if g := r.m.generation.Load(); len(r.m.timers) != 0 || len(g.loose) != 0 || ended != 1 {
				r.Errorf("afterwards %d timers of commands and %d of functions, Ended was called %d times, want none, none and once",
					len(r.m.timers), len(g.loose), ended)
			}
		})
		contains(r, "log", r.log.String(), "timer at h.lua:7: the till is locked")
	})
}

// What a timer gives its command goes over with it, once, and the reload tells what is lost.
func TestTimersGoOver(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(r *rig) { commands(r, r.h, &ran, "A") }, func(r *rig) {
		r.turn(func() {
			_, err := r.h.Timer(script.TimerOptions{Name: "A", Command: "A", Arguments: wire.Raw("old"), Every: 400 * ms})
			r.must(err)
		})
		outcome, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
			commands(r, h, &ran, "A")
			return &application{adopt: adoptPartly}, nil
		})
		if want := "the arguments of timer A lose a function, which belongs to the scripts before"; err != nil || len(outcome.Warnings) != 1 || outcome.Warnings[0] != want {
			r.Errorf("Install = %q, %v, want the warning %q", outcome.Warnings, err, want)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.haveRun(&ran, "A adopted old, A adopted old")
	})
}

// Scripts whose topic is registered by somebody else while they load do not run.
func TestTopicTakenWhileLoading(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		old := r.h
		_, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
			_, err := h.Register("news", script.TopicOptions{})
			r.must(err)
			_, err = old.Register("news", script.TopicOptions{})
			r.must(err)
			return &application{}, nil
		})
		if err == nil || !strings.Contains(err.Error(), `topic "news" was registered by somebody else while the scripts loaded`) {
			r.Errorf("Install = %v, want that the topic was registered by somebody else", err)
		}
	})
}
