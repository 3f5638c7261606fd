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

// Each invalid registration returns an error with the fault and its place.
func TestRegistrationFaults(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "A", Protection: auth.None, Source: "a.lua:1"})
		register(tm, tm.h, script.Message{Name: "A", Protection: auth.None, Source: "a.lua:1"}) // the same line again
		register(tm, tm.h, script.Message{Name: "Abcd", Protection: auth.None, Handle: handle, Source: "perigee/messages/a.lua:1"})
		if err := tm.h.Command(script.Command{Name: "C", Run: run, Source: "a.lua:2"}); err != nil {
			tm.Fatalf("Command(C) = %v, want nil", err)
		}
		for _, row := range []struct {
			err   error
			parts []string
		}{
			{tm.h.Message(script.Message{Name: "A", Handle: handle, Source: "b.lua:9"}), []string{"A", "a.lua:1", "b.lua:9"}},
			{tm.h.Message(script.Message{Handle: handle, Source: "b.lua:9"}), []string{"name"}},
			{tm.h.Message(script.Message{Name: "B", Protection: auth.Client, Handle: handle, Source: "b.lua:8"}), []string{"B", "b.lua:8", "owner"}},
			{tm.h.Message(script.Message{Name: "B", Owner: "x", Handle: handle, Source: "b.lua:8"}), []string{"B", "b.lua:8", "owner"}},
			{tm.h.Command(script.Command{Name: "C", Run: run, Source: "b.lua:7"}), []string{"C", "a.lua:2", "b.lua:7"}},
			{tm.h.Command(script.Command{Name: "D", Source: "b.lua:6"}), []string{"D", "b.lua:6"}},
			{tm.h.RemoveMessage("Abc"), []string{`server.remove_message: unknown message "Abc"`, `did you mean "Abcd"?`}},
			{tm.h.Message(script.Message{Name: "Abcd", Handle: handle, Source: "b.lua:5"}), []string{"b.lua:5", `call server.remove_message("Abcd") first`}},
			{tm.h.Command(script.Command{Name: "C", Run: run, Source: "perigee/commands/c.lua:1"}), []string{"a.lua:2", "put your own commands/c.lua into"}},
			{tm.h.RemoveMessage(""), []string{"server.remove_message: the name is empty"}},
		} {
			if row.err == nil {
				tm.Errorf("registering = nil, want an error with %q", row.parts)
				continue
			}
			contains(tm, "error", row.err.Error(), row.parts...)
		}
	}, func(tm *testManager) {
		tm.turn(func() {
			_, listen := tm.h.Listen("A", "C", "late.lua:1")
			for _, err := range []error{
				tm.h.Message(script.Message{Name: "Late", Handle: handle}),
				tm.h.Command(script.Command{Name: "Late", Run: run}),
				tm.h.RemoveMessage("A"),
				listen,
			} {
				if !errors.Is(err, registry.ErrNotLoading) {
					tm.Errorf("registering outside of loading = %v, want %v", err, registry.ErrNotLoading)
				}
			}
			want := "server.message can only be called while scripts load or boot"
			if err := tm.h.Message(script.Message{Name: "Late"}); err.Error() != want {
				tm.Errorf("Message outside of loading = %v, want %s", err, want)
			}
		})
	})
}

// Scripts with inconsistent registrations are not installed. The error has every fault, and the previous scripts go on.
func TestInstallFails(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Old", Protection: auth.None})
	}, func(tm *testManager) {
		s, _ := tm.open()
		_, err := tm.m.Install(tm.Context(), func(h script.Host) (Application, error) {
			tm.must(h.Message(script.Message{Name: "Idle", Source: "a.lua:1"}))
			tm.must(h.Message(script.Message{Name: "Bound", Source: "a.lua:2"}))
			tm.must(h.Command(script.Command{Name: "C", Run: run, Source: "a.lua:3"}))
			for _, l := range [][3]string{
				{"Bound", "C", "a.lua:4"}, {"Nope", "C", "a.lua:5"}, {"Bound", "Nowhere", "a.lua:6"},
			} {
				_, err := h.Listen(l[0], l[1], l[2])
				tm.must(err)
			}
			silence, err := h.Listen("Idle", "C", "a.lua:7")
			tm.must(err)
			silence()
			for _, command := range []string{"Typo", "Later", ""} {
				o := script.TimerOptions{Command: command, Source: "a.lua:8", Every: time.Hour}
				if command == "" {
					o.Run = func() error { return nil }
				}
				_, err := h.Timer(o)
				tm.must(err)
			}
			tm.must(h.Command(script.Command{Name: "Later", Run: run, Source: "a.lua:9"}))
			return tm.app, nil
		})
		if err == nil || strings.Count(err.Error(), "\n") != 3 {
			tm.Fatalf("Install = %v, want four faults", err)
		}
		contains(tm, "error", err.Error(), "Idle at a.lua:1", `a.lua:5: unknown message "Nope"`, `a.lua:6: unknown command "Nowhere"`, `timer at a.lua:8: unknown command "Typo"`)
		tm.turn(func() {
			timer, err := tm.h.Timer(script.TimerOptions{Command: "Typo", Every: time.Hour})
			if timer != nil || !errors.Is(err, registry.ErrUnknownCommand) {
				tm.Errorf("Timer of an unknown command = %v, %v, want %v", timer, err, registry.ErrUnknownCommand)
			}
		})
		broken := errors.New("a.lua:1: broken")
		_, err = tm.m.Install(tm.Context(), func(script.Host) (Application, error) { return nil, broken })
		if !errors.Is(err, broken) {
			tm.Errorf("Install of what does not load = %v, want its error", err)
		}
		_, err = tm.m.Install(tm.Context(), func(script.Host) (Application, error) {
			err := tm.m.install(func(script.Host) (Application, error) { return nil, nil }, tm.swap)
			return nil, err
		})
		if err == nil || !strings.Contains(err.Error(), "loading already") {
			tm.Errorf("Install within Install = %v, want an error", err)
		}
		tm.quiet()
		tm.say(s, `{"name":"Old"}`)
		s.hears(tm, "after Install failed", "OldDone")
	})
}

// While scripts boot, the commands that they have registered can be run and deferred.
func TestBoot(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) {
		commands(tm, tm.h, &ran, "Tick")
		if _, err := tm.h.Run("Tick", wire.Raw("boot")); err != nil {
			tm.Errorf("Run while booting = %v, want nil", err)
		}
		if _, err := tm.h.Next("Tick", wire.Raw("next")); err != nil {
			tm.Errorf("Next while booting = %v, want nil", err)
		}
	}, func(tm *testManager) {
		synctest.Wait()
		tm.haveRun(&ran, "Tick boot, Tick next")
	})
}

// Routes lists what is registered, sorted by name.
func TestRoutes(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		for _, m := range []script.Message{
			{Name: "B", Protection: auth.Client, Owner: "who", Check: func([]byte) error { return nil }, Handle: handle, Source: "b.lua:1"},
			{Name: "A", Protection: auth.None, Source: "a.lua:1"},
		} {
			if err := tm.h.Message(m); err != nil {
				tm.Fatal(err)
			}
		}
		for _, name := range []string{"Z", "Y"} {
			if err := tm.h.Command(script.Command{Name: name, Run: run, Source: name}); err != nil {
				tm.Fatal(err)
			}
			if _, err := tm.h.Listen("A", name, "a.lua:2"); err != nil {
				tm.Fatal(err)
			}
		}
	}, func(tm *testManager) {
		got, err := tm.m.Routes(tm.Context())
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
			tm.Errorf("Routes() = %+v, %v, want %+v", got, err, want)
		}
	})
}
