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

	"perigee/engine/script"
	"perigee/engine/wire"
)

// commands registers commands that note their name and arguments.
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

// Commands run within the turn, in the next one, or later, and an aborted one does not.
func TestCommands(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(r *rig) { commands(r, r.h, &ran, "A", "Fail") }, func(r *rig) {
		abortAll := []func(){}
		r.turn(func() {
			later := func(abort func(), err error) func() {
				r.must(err)
				abortAll = append(abortAll, abort)
				return abort
			}
			later(r.h.Delay(2*time.Second, "A", wire.Raw("delayed 2")))
			later(r.h.Delay(time.Second, "Fail", wire.Raw("delayed 1")))
			later(r.h.Delay(time.Second, "A", wire.Raw("never")))()
			later(r.h.Next("A", wire.Raw("next")))
			later(r.h.Next("A", wire.Raw("never")))()
			v, err := r.h.Run("A", wire.Raw("now"))
			if got, ok := v.(wire.Raw); err != nil || !ok || string(got) != "7" {
				r.Errorf("Run(A) = %v, %v, want what the command returned", v, err)
			}
			if _, err := r.h.Run("Fail", wire.Raw("now")); err == nil || errors.Is(err, ErrUnknownCommand) {
				r.Errorf("Run(Fail) = %v, want the command's error", err)
			}
		})
		synctest.Wait()
		r.haveRun(&ran, "A now, Fail now, A next")
		r.turn(func() { ran = nil })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.turn(func() {
			for _, abort := range abortAll {
				abort()
			}
		})
		r.haveRun(&ran, "Fail delayed 1, A delayed 2")
		contains(r, "log", r.log.String(), `turn="command Fail"`, "error=broken")
	})
}

// A command that nobody registered is an error of whoever calls it, at once.
func TestUnknownCommand(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.turn(func() {
			_, run := r.h.Run("Nope", nil)
			_, next := r.h.Next("Nope", nil)
			_, delay := r.h.Delay(0, "Nope", nil)
			for call, err := range map[string]error{"Run": run, "Next": next, "Delay": delay} {
				if !errors.Is(err, ErrUnknownCommand) || !strings.Contains(err.Error(), "Nope") {
					r.Errorf("%s(Nope) = %v, want %v with the name", call, err, ErrUnknownCommand)
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

// Messages go to whom they are sent, and fields that cannot be encoded are an error and no message.
func TestSend(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		a, ca := r.open()
		b, cb := r.open()
		c, _ := r.open()
		r.quiet()
		r.turn(func() {
			topic, err := r.h.Register("news", script.TopicOptions{})
			r.must(err)
			r.must(topic.Subscribe(ca))
			for call, err := range map[string]error{
				"Send to one": r.send(ca, "X", failingFields{}),
				"Send":        r.h.Send([]script.Client{ca}, "X", failingFields{}),
				"Broadcast":   r.h.Broadcast("X", failingFields{}),
				"Publish":     r.h.Publish(topic, "X", failingFields{}),
			} {
				if err == nil {
					r.Errorf("%s of fields that fail = nil, want an error", call)
				}
			}
		})
		r.quiet()
		r.turn(func() {
			r.must(r.h.Send(nil, "Nobody", nil))
			r.must(r.h.Send([]script.Client{ca, cb}, "Some", wire.Members{{Name: "n", Value: 1}}))
			r.must(r.h.Broadcast("All", nil))
			r.must(r.send(ca, "One", nil))
		})
		heardA, heardB := a.take(), b.take()
		if len(heardA) != 3 || len(heardB) != 2 || heardA[0] != heardB[0] || heardA[1] != heardB[1] {
			r.Fatalf("a heard %s, b heard %s, want the same frames, and one more to a", heardA, heardB)
		}
		if heardA[0].name() != "Some" || heardA[1].name() != "All" || heardA[2].name() != "One" {
			r.Errorf("a heard %s, want Some, All, One", heardA)
		}
		c.hears(r, "c", "All")
	})
}

// Stop asks for the end once, after the turn, with the reason to come back; the stop hook's outcome is waited for.
func TestStop(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.turn(func() {
			r.h.Stop()
			r.h.Stop()
			if len(r.stopped) != 0 {
				r.Error("Stop stopped within its turn, want after it")
			}
		})
		synctest.Wait()
		if !slices.Equal(r.stopped, []wire.Close{wire.CloseRestart()}) {
			r.Errorf("Stop called the engine with %v, want %v once", r.stopped, wire.CloseRestart())
		}
		broken := errors.New("broken")
		r.app.stop = func() error { return broken }
		if err := r.m.StopHook(r.Context()); !errors.Is(err, broken) {
			r.Errorf("StopHook = %v, want the hook's error", err)
		}
		r.app.stop = func() error {
			return r.loop.Await(func(wake func()) { time.AfterFunc(time.Minute, wake) })
		}
		if err := r.m.StopHook(r.Context()); err != nil {
			r.Errorf("StopHook that waits = %v, want nil", err)
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := r.m.StopHook(ctx); !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("StopHook that takes too long = %v, want %v", err, context.DeadlineExceeded)
		}
		r.halt()
		if err := r.m.StopHook(r.Context()); err == nil {
			r.Error("StopHook after the loop's end = nil, want an error")
		}
		r.m.Open(r.newSocket())
	})
}

// Time is the loop's.
func TestClock(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		time.Sleep(90 * time.Second)
		r.turn(func() {
			if r.h.Uptime() != 90*time.Second || !r.loop.Now().Equal(time.Now()) {
				r.Errorf("Uptime() = %v, Now() = %v, want 1m30s and %v", r.h.Uptime(), r.loop.Now(), time.Now())
			}
		})
	})
}
