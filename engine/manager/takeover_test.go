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

// After a reload the roster has the entries of the new scripts for connections that were open before.
func TestRosterOfNewScripts(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, _ := tm.open()
		tm.quiet()
		_, err := tm.m.Install(tm.Context(), func(script.Host) (Application, error) {
			return &application{roster: func(script.Client) ([]byte, error) { return []byte(`{"shown":"anew"}`), nil }}, nil
		})
		tm.must(err)
		time.Sleep(time.Second)
		synctest.Wait()
		heard := s.take()
		if len(heard) != 1 || heard[0].name() != "UpdateConnections" || !strings.Contains(string(heard[0]), `{"shown":"anew"}`) {
			tm.Errorf("after the reload heard %s, want the roster of the new scripts", heard)
		}
	})
}

// Of several boot timers with the same key, each takes over from the one at its position.
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

// Handlers of replaced scripts can run the commands of the new ones, whose scripts adopt the arguments; values that cannot be
// adopted are logged.
func TestArgumentsOfReplacedScripts(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), nil, func(tm *testManager) {
		old := tm.h
		_, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			commands(tm, h, &ran, "New")
			return &application{adopt: adoptPartly}, nil
		})
		tm.must(err)
		tm.turn(func() {
			_, err := old.Delay(10*ms, "New", wire.Raw("delayed"))
			tm.must(err)
			_, err = old.Timer(script.TimerOptions{Name: "New", Command: "New", Arguments: wire.Raw("timed"), Every: 20 * ms, Once: true})
			tm.must(err)
		})
		time.Sleep(time.Second)
		synctest.Wait()
		tm.haveRun(&ran, "New adopted delayed, New adopted timed")
		contains(tm, "log", tm.log.String(), "the arguments of command New: a function was dropped", "the arguments of timer New: a function was dropped")
	})
}

// The roster shows the changes that a timer or a delayed command has made to a client.
func TestRosterAfterTimers(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		change := func(to string) error { return c.SetAttribute("seat", wire.Raw(to)) }
		tm.reload(func(h script.Host) {
			tm.must(h.Command(script.Command{Name: "Move", Source: "t.lua:1", Run: func(v wire.Value) (wire.Value, error) {
				return nil, change(fmt.Sprintf("%s", v))
			}}))
		})
		for _, row := range []struct {
			name  string
			begin func() error
		}{
			{"a timer of a command", func() error {
				_, err := tm.h.Timer(script.TimerOptions{Name: "Move", Command: "Move", Arguments: wire.Raw("1"), Every: ms, Once: true})
				return err
			}},
			{"a timer of a function", func() error {
				_, err := tm.h.Timer(script.TimerOptions{Name: "t.lua:2", Run: func() error { return change("2") }, Every: ms, Once: true})
				return err
			}},
			{"a delayed command", func() error {
				_, err := tm.h.Delay(ms, "Move", wire.Raw("3"))
				return err
			}},
		} {
			tm.quiet()
			tm.turn(func() { tm.must(row.begin()) })
			time.Sleep(time.Second)
			synctest.Wait()
			s.hears(tm, row.name, "UpdateConnections")
		}
	})
}

// A timer that has ended is removed, whether it ran a command or a function. If its command fails, the log has its place.
func TestEndedTimers(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.reload(func(h script.Host) {
			tm.must(h.Command(script.Command{Name: "Fail", Source: "t.lua:1", Run: func(wire.Value) (wire.Value, error) {
				return nil, errors.New("the till is locked")
			}}))
		})
		ended := 0
		tm.turn(func() {
			for _, o := range []script.TimerOptions{
				{Name: "Fail", Command: "Fail", Every: ms, Once: true, Source: "h.lua:7"},
				{Name: "h.lua:8", Run: func() error { return nil }, Every: ms, Once: true, Source: "h.lua:8", Ended: func() { ended++ }},
			} {
				_, err := tm.h.Timer(o)
				tm.must(err)
			}
			if g := tm.m.generation.Load(); len(tm.m.timers) != 1 || len(g.functionTimers) != 1 {
				tm.Errorf("%d timers of commands and %d of functions, want one of each", len(tm.m.timers), len(g.functionTimers))
			}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		tm.turn(func() {
			if g := tm.m.generation.Load(); len(tm.m.timers) != 0 || len(g.functionTimers) != 0 || ended != 1 {
				tm.Errorf("afterwards %d timers of commands and %d of functions, Ended was called %d times, want none, none and once",
					len(tm.m.timers), len(g.functionTimers), ended)
			}
		})
		contains(tm, "log", tm.log.String(), "timer at h.lua:7: the till is locked")
	})
}

// The arguments of a timer are adopted once, and the reload warns of lost values.
func TestTimerArgumentsAdopted(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "A") }, func(tm *testManager) {
		tm.turn(func() {
			_, err := tm.h.Timer(script.TimerOptions{Name: "A", Command: "A", Arguments: wire.Raw("old"), Every: 400 * ms})
			tm.must(err)
		})
		outcome, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			commands(tm, h, &ran, "A")
			return &application{adopt: adoptPartly}, nil
		})
		if want := "the arguments of timer A: a function was dropped because it belongs to the previous scripts"; err != nil || len(outcome.Warnings) != 1 || outcome.Warnings[0] != want {
			tm.Errorf("Install = %q, %v, want the warning %q", outcome.Warnings, err, want)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		tm.haveRun(&ran, "A adopted old, A adopted old")
	})
}

// Scripts do not run if the running scripts register the same topic while these load.
func TestTopicTakenWhileLoading(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		old := tm.h
		_, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			_, err := h.Register("news", script.TopicOptions{})
			tm.must(err)
			_, err = old.Register("news", script.TopicOptions{})
			tm.must(err)
			return &application{}, nil
		})
		if err == nil || !strings.Contains(err.Error(), `the running scripts registered topic "news" while these loaded`) {
			tm.Errorf("Install = %v, want that the running scripts registered the topic", err)
		}
	})
}
