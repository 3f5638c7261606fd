package manager

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// reload installs scripts that run load, with a new application.
func (tm *testManager) reload(load func(h script.Host)) Installed {
	tm.Helper()
	tm.app = &application{}
	outcome, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
		tm.h = h
		load(h)
		return tm.app, nil
	})
	if err != nil {
		tm.Fatalf("Install = %v, want nil", err)
	}
	return outcome
}

// ticks records when timers ran and in which generation, in milliseconds since start.
type ticks struct {
	*testManager
	start time.Time
	ran   []string
}

func (k *ticks) boot(generation string, options ...script.TimerOptions) func(h script.Host) {
	return func(h script.Host) {
		k.must(h.Command(script.Command{Name: "Tick", Source: "t.lua:1", Run: func(wire.Value) (wire.Value, error) {
			k.note(generation)
			return nil, nil
		}}))
		for _, o := range options {
			if o.Command == "" {
				o.Run = func() error {
					k.note(generation + " function")
					return nil
				}
			}
			_, err := h.Timer(o)
			k.must(err)
		}
	}
}

func (k *ticks) note(what string) {
	k.ran = append(k.ran, fmt.Sprintf("%s at %d", what, time.Since(k.start).Milliseconds()))
}

func (k *ticks) pass(ms int64) {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	synctest.Wait()
}

func (k *ticks) expect(why string, want ...string) {
	k.Helper()
	k.turn(func() {
		if !slices.Equal(k.ran, want) {
			k.Errorf("%s: ran %q, want %q", why, k.ran, want)
		}
		k.ran = nil
	})
}

// inTicks runs a test with a first generation that has these timers.
func inTicks(t *testing.T, options []script.TimerOptions, test func(k *ticks)) {
	t.Helper()
	k := &ticks{}
	inBubble(t, defaults(), func(tm *testManager) {
		k.testManager, k.start = tm, time.Now()
		k.boot("1", options...)(tm.h)
	}, func(*testManager) { test(k) })
}

// A boot timer takes over from the one with the same key, with the time that was left: it neither skips nor doubles a run.
func TestTimerTakenOver(t *testing.T) {
	tick := script.TimerOptions{Name: "Tick", Command: "Tick", Every: 1000 * ms, Source: "a.lua:5"}
	function := script.TimerOptions{Name: "a.lua:6", Every: 400 * ms, Source: "a.lua:6"}
	moved := function
	moved.Source = "a.lua:60"
	inTicks(t, []script.TimerOptions{tick, function}, func(k *ticks) {
		k.pass(700)
		k.expect("before", "1 function at 400")
		k.reload(k.boot("2", tick, moved))
		k.pass(600)
		k.expect("after", "2 function at 800", "2 at 1000", "2 function at 1200")
		k.reload(k.boot("3", moved))
		k.pass(900)
		k.expect("after boot has left one out", "3 function at 1600", "3 function at 2000")
	})
}

// If the interval of a boot timer has changed, it is due that much sooner or later, but not before now.
func TestTimerTakenOverFaster(t *testing.T) {
	tick := script.TimerOptions{Name: "Tick", Command: "Tick", Every: 1000 * ms, Source: "a.lua:5"}
	inTicks(t, []script.TimerOptions{tick}, func(k *ticks) {
		k.pass(300)
		tick.Every = 500 * ms
		k.reload(k.boot("2", tick))
		k.pass(800)
		k.expect("from 1000 to 500", "2 at 500", "2 at 1000")
		tick.Every = 50 * ms
		k.reload(k.boot("3", tick))
		k.pass(60)
		k.expect("from 500 to 50", "3 at 1100", "3 at 1150")
	})
}

// Timers that handlers started with the name of a command go on with the new command, or end with a warning. Those with a
// function end, unless their only run is due while the generation is drained.
func TestTimersOfHandlers(t *testing.T) {
	o := defaults()
	o.Drain = 500 * ms
	k := &ticks{}
	inBubble(t, o, func(tm *testManager) {
		k.testManager, k.start = tm, time.Now()
		k.boot("1")(tm.h)
		commands(tm, tm.h, &k.ran, "Gone")
	}, func(tm *testManager) {
		tm.turn(func() {
			tm.app.waits = true
			for _, o := range []script.TimerOptions{
				{Name: "Tick", Command: "Tick", Every: 400 * ms, Source: "h.lua:1"},
				{Name: "Gone", Command: "Gone", Every: 400 * ms, Source: "h.lua:2"},
				{Name: "h.lua:3", Every: 300 * ms, Once: true, Source: "h.lua:3"},
				{Name: "h.lua:4", Every: 900 * ms, Once: true, Source: "h.lua:4"},
				{Name: "h.lua:5", Every: 100 * ms, Source: "h.lua:5"},
			} {
				if o.Command == "" {
					o.Run = func() error {
						k.note("1 " + o.Name)
						return nil
					}
				}
				_, err := tm.h.Timer(o)
				tm.must(err)
			}
		})
		old := tm.h
		outcome := tm.reload(k.boot("2"))
		slices.Sort(outcome.Warnings)
		if got := strings.Join(outcome.Warnings, "\n"); len(outcome.Warnings) != 3 ||
			!strings.Contains(got, `h.lua:2 ends: command "Gone" no longer exists`) ||
			!strings.Contains(got, "h.lua:4 ends") || !strings.Contains(got, "h.lua:5 ends") {
			tm.Errorf("warnings = %q, want those of h.lua:2, 4 and 5", outcome.Warnings)
		}
		k.pass(1000)
		k.expect("after", "1 h.lua:3 at 300", "2 at 400", "2 at 800")
		if strings.Contains(tm.log.String(), "level=ERROR") {
			tm.Errorf("log: got %s, want no error of a timer that has ended", tm.log)
		}
		tm.turn(func() {
			if _, err := old.Timer(script.TimerOptions{Every: ms, Run: func() error { return nil }}); err == nil {
				tm.Error("Timer with a function of scripts that were replaced = nil, want an error")
			}
			_, err := old.Timer(script.TimerOptions{Name: "Tick", Command: "Tick", Once: true, Every: 10 * ms})
			tm.must(err)
			_, err = old.Delay(20*ms, "Tick", nil)
			tm.must(err)
		})
		k.pass(100)
		k.expect("started by scripts that were replaced", "2 at 1010", "2 at 1020")
	})
}

// Delayed commands survive a reload; the new scripts adopt their arguments once.
func TestDelayedCommandsAdopted(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "A") }, func(tm *testManager) {
		tm.turn(func() {
			_, err := tm.h.Delay(time.Second, "A", wire.Raw("old"))
			tm.must(err)
		})
		app := &application{adopt: adoptPartly}
		outcome, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			commands(tm, h, &ran, "A")
			_, err := h.Delay(1500*ms, "A", wire.Raw("from boot"))
			return app, err
		})
		if err != nil || len(outcome.Warnings) != 1 {
			tm.Errorf("Install = %q, %v, want one warning", outcome.Warnings, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		tm.haveRun(&ran, "A adopted old, A from boot")
	})
}

// Messages and registrations of loading scripts take effect when the scripts run, and never if loading fails.
func TestBootTakesEffectAtSwap(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		tm.quiet()
		load := func(h script.Host) {
			tm.must(h.Broadcast("All", nil))
			tm.must(h.Send([]script.Client{c}, "One", nil))
			news, err := h.Register("news", listed())
			tm.must(err)
			tm.must(news.Subscribe(c))
			tm.must(h.Publish(news, "Headline", nil))
			if h.Topic("news") != news || len(h.Topics()) != 1 || len(s.take()) > 0 {
				tm.Error("boot does not see its topic, or others hear of it already")
			}
		}
		broken := errors.New("broken")
		_, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			load(h)
			return nil, broken
		})
		if !errors.Is(err, broken) {
			tm.Errorf("Install = %v, want %v", err, broken)
		}
		tm.quiet()
		s.hears(tm, "after a boot that failed")
		tm.turn(func() {
			if tm.h.Topic("news") != nil || len(c.Subscriptions()) > 0 {
				tm.Error("the topic of a boot that failed is there, want nothing of it")
			}
		})
		tm.reload(load)
		synctest.Wait()
		var names []string
		for _, f := range s.take() {
			names = append(names, f.name())
		}
		slices.Sort(names)
		if want := []string{"All", "Headline", "One", "UpdateConnections", "UpdateSubscriptions", "UpdateTopics"}; !slices.Equal(names, want) {
			tm.Errorf("after the boot heard %q, want %q", names, want)
		}
	})
}

// Replaced scripts go on for lua.drain, are interrupted then, and are retired when they have nothing left to do.
func TestDrain(t *testing.T) {
	var retired []Application
	o := defaults()
	o.Drain = time.Second
	o.Retired = func(a Application) { retired = append(retired, a) }
	inBubble(t, o, nil, func(tm *testManager) {
		old := tm.app
		_, c := tm.open()
		before := 0
		tm.turn(func() {
			old.waits = true
			*c.Slot() = old
			before = len(retired)
		})
		tm.reload(func(script.Host) {})
		time.Sleep(900 * ms)
		tm.turn(func() {
			if old.interrupted != nil || len(retired) != before || tm.app.starts != 1 {
				tm.Errorf("after 900 ms: interrupted %v, %d retired, %d starts, want it to wait still", old.interrupted, len(retired), tm.app.starts)
			}
		})
		time.Sleep(200 * ms)
		tm.turn(func() {
			if !errors.Is(old.interrupted, errReplaced) || len(retired) != before+1 || retired[before] != Application(old) || *c.Slot() != nil {
				tm.Errorf("after 1100 ms: interrupted %v, retired %d, slot %v, want the end of the old ones", old.interrupted, len(retired), *c.Slot())
			}
		})
	})
}

// If a handler fails after its scripts were replaced, the log has the number of these. The new scripts adopt the fields of the
// client.
func TestHandlerOutlivesItsScripts(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Wait", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			return errors.Join(tm.loop.Await(func(wake func()) { time.AfterFunc(time.Second, wake) }), errors.New("late"))
		}})
	}, func(tm *testManager) {
		s, c := tm.open()
		tm.say(s, `{"name":"Wait"}`)
		tm.turn(func() {
			tm.must(c.SetAttribute("best", wire.Raw(`"old"`)))
			c.SetData(wire.Raw(`"old"`))
		})
		_, err := tm.m.Install(tm.Context(), func(script.Host) (Application, error) {
			return &application{adopt: func(wire.Value) (wire.Value, string) { return wire.Raw(`"new"`), "" }}, nil
		})
		tm.must(err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		contains(tm, "log", tm.log.String(), `turn="message Wait" generation=1`)
		tm.turn(func() {
			if got, _ := c.Attribute("best").AppendJSON(nil); string(got) != `"new"` {
				tm.Errorf("the client's field is %s, want it adopted", got)
			}
			if got, _ := c.Data().AppendJSON(nil); string(got) != `"new"` {
				tm.Errorf("the client's data is %s, want it adopted", got)
			}
		})
	})
}

// Adopting the fields of many connections does not hold up other turns: they run between those of the connections.
func TestAdoptConnectionsInBatches(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), nil, func(tm *testManager) {
		for range 3 {
			_, c := tm.open()
			tm.turn(func() { tm.must(c.SetAttribute("big", wire.Raw(`"x"`))) })
		}
		_, err := tm.m.Install(tm.Context(), func(script.Host) (Application, error) {
			return &application{adopt: func(v wire.Value) (wire.Value, string) {
				if len(ran) == 0 {
					tm.loop.Next("test", func() { ran = append(ran, "another turn") })
				}
				ran = append(ran, "fields")
				time.Sleep(2 * ms) // on the clock of the bubble: how long adopting takes
				return v, ""
			}}, nil
		})
		tm.must(err)
		time.Sleep(time.Second)
		synctest.Wait()
		tm.haveRun(&ran, "fields, another turn, fields, fields")
	})
}
