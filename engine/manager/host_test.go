package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// commands registers commands that record their name and arguments.
func commands(tb testing.TB, h script.Host, ran *[]string, names ...string) {
	tb.Helper()
	for _, name := range names {
		err := h.Command(script.Command{Name: name, Source: name, Run: func(arguments wire.Value) (wire.Value, error) {
			*ran = append(*ran, fmt.Sprintf("%s %s", name, arguments))
			if name == "Fail" {
				return nil, errors.New("broken")
			}
			return wire.Raw("7"), nil
		}})
		if err != nil {
			tb.Fatalf("Command(%s) = %v, want nil", name, err)
		}
	}
}

// Commands run within the turn, in the next turn or later; an aborted one does not run.
func TestCommands(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "A", "Fail") }, func(tm *testManager) {
		abortAll := []func(){}
		tm.turn(func() {
			later := func(abort func(), err error) func() {
				tm.must(err)
				abortAll = append(abortAll, abort)
				return abort
			}
			later(tm.h.Delay(2*time.Second, "A", wire.Raw("delayed 2")))
			later(tm.h.Delay(time.Second, "Fail", wire.Raw("delayed 1")))
			later(tm.h.Delay(time.Second, "A", wire.Raw("never")))()
			later(tm.h.Next("A", wire.Raw("next")))
			later(tm.h.Next("A", wire.Raw("never")))()
			v, err := tm.h.Run("A", wire.Raw("now"))
			if got, ok := v.(wire.Raw); err != nil || !ok || string(got) != "7" {
				tm.Errorf("Run(A) = %v, %v, want what the command returned", v, err)
			}
			if _, err := tm.h.Run("Fail", wire.Raw("now")); err == nil || errors.Is(err, registry.ErrUnknownCommand) {
				tm.Errorf("Run(Fail) = %v, want the command's error", err)
			}
		})
		synctest.Wait()
		tm.haveRun(&ran, "A now, Fail now, A next")
		tm.turn(func() { ran = nil })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		tm.turn(func() {
			for _, abort := range abortAll {
				abort()
			}
		})
		tm.haveRun(&ran, "Fail delayed 1, A delayed 2")
		contains(tm, "log", tm.log.String(), `turn="command Fail"`, "error=broken")
	})
}

// Running or deferring an unknown command returns an error at once.
func TestUnknownCommand(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.turn(func() {
			_, run := tm.h.Run("Nope", nil)
			_, next := tm.h.Next("Nope", nil)
			_, delay := tm.h.Delay(0, "Nope", nil)
			for call, err := range map[string]error{"Run": run, "Next": next, "Delay": delay} {
				if !errors.Is(err, registry.ErrUnknownCommand) || !strings.Contains(err.Error(), "Nope") {
					tm.Errorf("%s(Nope) = %v, want %v with the name", call, err, registry.ErrUnknownCommand)
				}
			}
		})
	})
}

// failingFields cannot be encoded.
type failingFields struct{}

func (failingFields) AppendMembers(dst []byte) ([]byte, error) {
	return append(dst, "junk"...), errors.New("a function is no value")
}

// Messages reach the clients that they are sent to. Fields that cannot be encoded return an error, and no message is sent.
func TestSend(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		a, ca := tm.open()
		b, cb := tm.open()
		c, _ := tm.open()
		tm.quiet()
		tm.turn(func() {
			topic, err := tm.h.Register("news", script.TopicOptions{})
			tm.must(err)
			tm.must(topic.Subscribe(ca))
			for call, err := range map[string]error{
				"Send to one": tm.send(ca, "X", failingFields{}),
				"Send":        tm.h.Send([]script.Client{ca}, "X", failingFields{}),
				"Broadcast":   tm.h.Broadcast("X", failingFields{}),
				"Publish":     tm.h.Publish(topic, "X", failingFields{}),
			} {
				if err == nil {
					tm.Errorf("%s of fields that fail = nil, want an error", call)
				}
			}
		})
		tm.quiet()
		tm.turn(func() {
			tm.must(tm.h.Send(nil, "Nobody", nil))
			tm.must(tm.h.Send([]script.Client{ca, cb}, "Some", wire.Members{{Name: "n", Value: 1}}))
			tm.must(tm.h.Broadcast("All", nil))
			tm.must(tm.send(ca, "One", nil))
		})
		heardA, heardB := a.take(), b.take()
		if len(heardA) != 3 || len(heardB) != 2 || heardA[0] != heardB[0] || heardA[1] != heardB[1] {
			tm.Fatalf("a heard %s, b heard %s, want the same frames, and one more to a", heardA, heardB)
		}
		if heardA[0].name() != "Some" || heardA[1].name() != "All" || heardA[2].name() != "One" {
			tm.Errorf("a heard %s, want Some, All, One", heardA)
		}
		c.hears(tm, "c", "All")
	})
}

// Stop calls Options.Stop once, after the turn, with a reason that tells clients to reconnect. RunStopHook waits for the hook.
func TestStop(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.turn(func() {
			tm.h.Stop()
			tm.h.Stop()
			if len(tm.stopped) != 0 {
				tm.Error("Stop stopped within its turn, want after it")
			}
		})
		synctest.Wait()
		if !slices.Equal(tm.stopped, []wire.Close{wire.CloseRestart()}) {
			tm.Errorf("Stop called the engine with %v, want %v once", tm.stopped, wire.CloseRestart())
		}
		broken := errors.New("broken")
		tm.app.stop = func() error { return broken }
		if err := tm.m.RunStopHook(tm.Context()); !errors.Is(err, broken) {
			tm.Errorf("StopHook = %v, want the hook's error", err)
		}
		tm.app.stop = func() error {
			return tm.loop.Await(func(wake func()) { time.AfterFunc(time.Minute, wake) })
		}
		if err := tm.m.RunStopHook(tm.Context()); err != nil {
			tm.Errorf("StopHook that waits = %v, want nil", err)
		}
		ctx, cancel := context.WithTimeout(tm.Context(), time.Second)
		defer cancel()
		if err := tm.m.RunStopHook(ctx); !errors.Is(err, context.DeadlineExceeded) {
			tm.Errorf("StopHook that takes too long = %v, want %v", err, context.DeadlineExceeded)
		}
		tm.halt()
		if err := tm.m.RunStopHook(tm.Context()); err == nil {
			tm.Error("StopHook after the loop's end = nil, want an error")
		}
		tm.m.Open(tm.newSocket())
	})
}

// Now and Uptime use the clock of the loop.
func TestClock(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		time.Sleep(90 * time.Second)
		tm.turn(func() {
			if tm.h.Uptime() != 90*time.Second || !tm.loop.Now().Equal(time.Now()) {
				tm.Errorf("Uptime() = %v, Now() = %v, want 1m30s and %v", tm.h.Uptime(), tm.loop.Now(), time.Now())
			}
		})
	})
}
