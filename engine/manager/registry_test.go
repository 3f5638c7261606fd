package manager

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/wire"
)

func handle(script.Client, script.Incoming) error { return nil }

func run(wire.Value) (wire.Value, error) { return nil, nil }

// Each fault of a registration is an error that says what is wrong, and where.
func TestRegistrationFaults(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "A", Protection: auth.None, Source: "a.lua:1"})
		register(r, r.h, script.Message{Name: "A", Protection: auth.None, Source: "a.lua:1"}) // the same line again
		if err := r.h.Command(script.Command{Name: "C", Run: run, Source: "a.lua:2"}); err != nil {
			r.Fatalf("Command(C) = %v, want nil", err)
		}
		for _, row := range []struct {
			err   error
			parts []string
		}{
			{r.h.Message(script.Message{Name: "A", Handle: handle, Source: "b.lua:9"}), []string{"A", "a.lua:1", "b.lua:9"}},
			{r.h.Message(script.Message{Handle: handle, Source: "b.lua:9"}), []string{"name"}},
			{r.h.Message(script.Message{Name: "B", Protection: auth.Client, Handle: handle, Source: "b.lua:8"}), []string{"B", "b.lua:8", "owner"}},
			{r.h.Message(script.Message{Name: "B", Owner: "x", Handle: handle, Source: "b.lua:8"}), []string{"B", "b.lua:8", "owner"}},
			{r.h.Command(script.Command{Name: "C", Run: run, Source: "b.lua:7"}), []string{"C", "a.lua:2", "b.lua:7"}},
			{r.h.Command(script.Command{Name: "D", Source: "b.lua:6"}), []string{"D", "b.lua:6"}},
		} {
			if row.err == nil {
				r.Errorf("registering = nil, want an error with %q", row.parts)
				continue
			}
			contains(r, "error", row.err.Error(), row.parts...)
		}
	}, func(r *rig) {
		r.turn(func() {
			_, listen := r.h.Listen("A", "C", "late.lua:1")
			for _, err := range []error{
				r.h.Message(script.Message{Name: "Late", Handle: handle}),
				r.h.Command(script.Command{Name: "Late", Run: run}),
				listen,
			} {
				if !errors.Is(err, registry.ErrNotLoading) {
					r.Errorf("registering outside of loading = %v, want %v", err, registry.ErrNotLoading)
				}
			}
			want := "server.message: messages are registered while scripts load or boot"
			if err := r.h.Message(script.Message{Name: "Late"}); err.Error() != want {
				r.Errorf("Message outside of loading = %v, want %s", err, want)
			}
		})
	})
}

// Scripts whose registrations do not fit together are not installed; the error has every fault, and what ran before goes on.
func TestInstallFails(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Old", Protection: auth.None})
	}, func(r *rig) {
		s, _ := r.open()
		_, err := r.m.Install(r.Context(), func(h script.Host) (Application, error) {
			r.must(h.Message(script.Message{Name: "Idle", Source: "a.lua:1"}))
			r.must(h.Message(script.Message{Name: "Bound", Source: "a.lua:2"}))
			r.must(h.Command(script.Command{Name: "C", Run: run, Source: "a.lua:3"}))
			for _, l := range [][3]string{
				{"Bound", "C", "a.lua:4"}, {"Nope", "C", "a.lua:5"}, {"Bound", "Nowhere", "a.lua:6"},
			} {
				_, err := h.Listen(l[0], l[1], l[2])
				r.must(err)
			}
			silence, err := h.Listen("Idle", "C", "a.lua:7")
			r.must(err)
			silence()
			for _, command := range []string{"Typo", "Later", ""} {
				o := script.TimerOptions{Command: command, Source: "a.lua:8", Every: time.Hour}
				if command == "" {
					o.Run = func() error { return nil }
				}
				_, err := h.Timer(o)
				r.must(err)
			}
			r.must(h.Command(script.Command{Name: "Later", Run: run, Source: "a.lua:9"}))
			return r.app, nil
		})
		if err == nil || strings.Count(err.Error(), "\n") != 3 {
			r.Fatalf("Install = %v, want four faults", err)
		}
		contains(r, "error", err.Error(), "Idle at a.lua:1", `a.lua:5: unknown message "Nope"`, `a.lua:6: unknown command "Nowhere"`, `timer at a.lua:8: unknown command "Typo"`)
		r.turn(func() {
			timer, err := r.h.Timer(script.TimerOptions{Command: "Typo", Every: time.Hour})
			if timer != nil || !errors.Is(err, ErrUnknownCommand) {
				r.Errorf("Timer of an unknown command = %v, %v, want %v", timer, err, ErrUnknownCommand)
			}
		})
		broken := errors.New("a.lua:1: broken")
		_, err = r.m.Install(r.Context(), func(script.Host) (Application, error) { return nil, broken })
		if !errors.Is(err, broken) {
			r.Errorf("Install of what does not load = %v, want its error", err)
		}
		_, err = r.m.Install(r.Context(), func(script.Host) (Application, error) {
			err := r.m.install(func(script.Host) (Application, error) { return nil, nil }, r.swap)
			return nil, err
		})
		if err == nil || !strings.Contains(err.Error(), "loading already") {
			r.Errorf("Install within Install = %v, want an error", err)
		}
		r.quiet()
		r.say(s, `{"name":"Old"}`)
		s.hears(r, "after Install failed", "OldDone")
	})
}

// While scripts boot, commands that they have registered can be run and timed; afterwards they are in force.
func TestBoot(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(r *rig) {
		commands(r, r.h, &ran, "Tick")
		if _, err := r.h.Run("Tick", wire.Raw("boot")); err != nil {
			r.Errorf("Run while booting = %v, want nil", err)
		}
		if _, err := r.h.Next("Tick", wire.Raw("next")); err != nil {
			r.Errorf("Next while booting = %v, want nil", err)
		}
	}, func(r *rig) {
		synctest.Wait()
		r.haveRun(&ran, "Tick boot, Tick next")
	})
}

// Routes lists what is registered, by name.
func TestRoutes(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		for _, m := range []script.Message{
			{Name: "B", Protection: auth.Client, Owner: "who", Check: func([]byte) error { return nil }, Handle: handle, Source: "b.lua:1"},
			{Name: "A", Protection: auth.None, Source: "a.lua:1"},
		} {
			if err := r.h.Message(m); err != nil {
				r.Fatal(err)
			}
		}
		for _, name := range []string{"Z", "Y"} {
			if err := r.h.Command(script.Command{Name: name, Run: run, Source: name}); err != nil {
				r.Fatal(err)
			}
			if _, err := r.h.Listen("A", name, "a.lua:2"); err != nil {
				r.Fatal(err)
			}
		}
	}, func(r *rig) {
		got, err := r.m.Routes(r.Context())
		want := Routes{
			Generation: 1,
			Messages: []registry.MessageRoute{
				{Name: "A", Protection: auth.None, Commands: []string{"Z", "Y"}, Source: "a.lua:1"},
				{Name: "B", Protection: auth.Client, Owner: "who", Schema: true, Handled: true, Source: "b.lua:1"},
			},
			Commands: []registry.CommandRoute{{Name: "Y", Source: "Y"}, {Name: "Z", Source: "Z"}},
			Listeners: []registry.ListenerRoute{
				{Message: "A", Command: "Z", Source: "a.lua:2"},
				{Message: "A", Command: "Y", Source: "a.lua:2"},
			},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			r.Errorf("Routes() = %+v, %v, want %+v", got, err, want)
		}
	})
}
