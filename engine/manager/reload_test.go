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

// reload puts scripts in force that register what load does, with an application of their own.
func (r *rig) reload(load func(h script.Host)) Installed {
	r.Helper()
	r.app = &application{}
	outcome, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
		r.h = h
		load(h)
		return r.app, nil
	})
	if err != nil {
		r.Fatalf("Install = %v, want nil", err)
	}
	return outcome
}

// ticks starts a timer for a command that notes when it ran and in which generation, in milliseconds since start.
type ticks struct {
	*rig
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
	inBubble(t, defaults(), func(r *rig) {
		k.rig, k.start = r, time.Now()
		k.boot("1", options...)(r.h)
	}, func(*rig) { test(k) })
}

// A timer of boot takes over from its like with the time that was left: it neither skips nor doubles a run.
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

// A timer of boot with another interval is due that much sooner or later, and not before now.
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

// Timers that handlers started by a command's name go on with the new command, or end with a warning; those with a
// function end, unless their only run is due while the generation is drained.
func TestTimersOfHandlers(t *testing.T) {
	o := defaults()
	o.Drain = 500 * ms
	k := &ticks{}
	inBubble(t, o, func(r *rig) {
		k.rig, k.start = r, time.Now()
		k.boot("1")(r.h)
		commands(r, r.h, &k.ran, "Gone")
	}, func(r *rig) {
		r.turn(func() {
			r.app.waits = true
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
				_, err := r.h.Timer(o)
				r.must(err)
			}
		})
		old := r.h
		outcome := r.reload(k.boot("2"))
		slices.Sort(outcome.Warnings)
		if got := strings.Join(outcome.Warnings, "\n"); len(outcome.Warnings) != 3 ||
			!strings.Contains(got, `h.lua:2 ends: there is no command "Gone"`) ||
			!strings.Contains(got, "h.lua:4 ends") || !strings.Contains(got, "h.lua:5 ends") {
			r.Errorf("warnings = %q, want those of h.lua:2, 4 and 5", outcome.Warnings)
		}
		k.pass(1000)
		k.expect("after", "1 h.lua:3 at 300", "2 at 400", "2 at 800")
		if strings.Contains(r.log.String(), "level=ERROR") {
			r.Errorf("log: got %s, want no error of a timer that has ended", r.log)
		}
		r.turn(func() {
			if _, err := old.Timer(script.TimerOptions{Every: ms, Run: func() error { return nil }}); err == nil {
				r.Error("Timer with a function of scripts that were replaced = nil, want an error")
			}
			_, err := old.Timer(script.TimerOptions{Name: "Tick", Command: "Tick", Once: true, Every: 10 * ms})
			r.must(err)
			_, err = old.Delay(20*ms, "Tick", nil)
			r.must(err)
		})
		k.pass(100)
		k.expect("started by scripts that were replaced", "2 at 1010", "2 at 1020")
	})
}

// Delayed commands go over; their arguments become those of the new scripts, once.
func TestDelayedCommandsGoOver(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(r *rig) { commands(r, r.h, &ran, "A") }, func(r *rig) {
		r.turn(func() {
			_, err := r.h.Delay(time.Second, "A", wire.Raw("old"))
			r.must(err)
		})
		app := &application{adopt: adoptPartly}
		outcome, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
			commands(r, h, &ran, "A")
			_, err := h.Delay(1500*ms, "A", wire.Raw("from boot"))
			return app, err
		})
		if err != nil || len(outcome.Warnings) != 1 {
			r.Errorf("Install = %q, %v, want one warning", outcome.Warnings, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.haveRun(&ran, "A adopted old, A from boot")
	})
}

// What scripts say and make while they load is heard when they run, and never where they fail.
func TestBootIsGathered(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		r.quiet()
		load := func(h script.Host) {
			r.must(h.Broadcast("All", nil))
			r.must(h.Send([]script.Client{c}, "One", nil))
			news, err := h.Register("news", script.TopicOptions{})
			r.must(err)
			r.must(news.Subscribe(c))
			r.must(h.Publish(news, "Headline", nil))
			if h.Topic("news") != news || len(h.Topics()) != 1 || len(s.take()) > 0 {
				r.Error("boot does not see its topic, or others hear of it already")
			}
		}
		broken := errors.New("broken")
		_, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
			load(h)
			return nil, broken
		})
		if !errors.Is(err, broken) {
			r.Errorf("Install = %v, want %v", err, broken)
		}
		r.quiet()
		s.hears(r, "after a boot that failed")
		r.turn(func() {
			if r.h.Topic("news") != nil || len(c.Subscriptions()) > 0 {
				r.Error("the topic of a boot that failed is there, want nothing of it")
			}
		})
		r.reload(load)
		synctest.Wait()
		var names []string
		for _, f := range s.take() {
			names = append(names, f.name())
		}
		slices.Sort(names)
		if want := []string{"All", "Headline", "One", "UpdateConnections", "UpdateSubscriptions", "UpdateTopics"}; !slices.Equal(names, want) {
			r.Errorf("after the boot heard %q, want %q", names, want)
		}
	})
}

// Scripts that were replaced are told so, go on for lua.drain, are interrupted then, and retired when nothing is left.
func TestDrain(t *testing.T) {
	var retired []Application
	o := defaults()
	o.Drain = time.Second
	o.Retired = func(a Application) { retired = append(retired, a) }
	inBubble(t, o, nil, func(r *rig) {
		old := r.app
		_, c := r.open()
		before := 0
		r.turn(func() {
			old.waits = true
			*c.Slot() = old
			before = len(retired)
		})
		r.reload(func(script.Host) {})
		time.Sleep(900 * ms)
		r.turn(func() {
			if old.interrupted != nil || len(retired) != before || r.app.begun != 1 {
				r.Errorf("after 900 ms: interrupted %v, %d retired, begun %d, want it to wait still", old.interrupted, len(retired), r.app.begun)
			}
		})
		time.Sleep(200 * ms)
		r.turn(func() {
			if !errors.Is(old.interrupted, errReplaced) || len(retired) != before+1 || retired[before] != Application(old) || *c.Slot() != nil {
				r.Errorf("after 1100 ms: interrupted %v, retired %d, slot %v, want the end of the old ones", old.interrupted, len(retired), *c.Slot())
			}
		})
	})
}

// A handler that fails after its scripts were replaced is logged with their number; the client's fields become the new
// scripts'.
func TestHandlerOutlivesItsScripts(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Wait", Protection: auth.None, Handle: func(script.Client, script.Incoming) error {
			return errors.Join(r.loop.Await(func(wake func()) { time.AfterFunc(time.Second, wake) }), errors.New("late"))
		}})
	}, func(r *rig) {
		s, c := r.open()
		r.say(s, `{"name":"Wait"}`)
		r.turn(func() { r.must(c.SetAttribute("best", wire.Raw(`"old"`))) })
		_, err := r.m.Install(r.Context(), func(script.Host) (Application, error) {
			return &application{adopt: func(wire.Value) (wire.Value, string) { return wire.Raw(`"new"`), "" }}, nil
		})
		r.must(err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		contains(r, "log", r.log.String(), `turn="message Wait" generation=1`)
		r.turn(func() {
			if got, _ := c.Attribute("best").AppendJSON(nil); string(got) != `"new"` {
				r.Errorf("the client's field is %s, want it adopted", got)
			}
		})
	})
}

// Fields that take long to renew leave room for others: their turns come between those of the connections.
func TestRenewLeavesRoom(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), nil, func(r *rig) {
		for range 3 {
			_, c := r.open()
			r.turn(func() { r.must(c.SetAttribute("big", wire.Raw(`"x"`))) })
		}
		_, err := r.m.Install(r.Context(), func(script.Host) (Application, error) {
			return &application{adopt: func(v wire.Value) (wire.Value, string) {
				if len(ran) == 0 {
					r.loop.Next("test", func() { ran = append(ran, "another turn") })
				}
				ran = append(ran, "fields")
				time.Sleep(2 * ms) // the clock of the bubble: what renewing takes
				return v, ""
			}}, nil
		})
		r.must(err)
		time.Sleep(time.Second)
		synctest.Wait()
		r.haveRun(&ran, "fields, another turn, fields, fields")
	})
}
