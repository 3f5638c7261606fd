package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/queue"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A job whose context has ended before its turn does not run: the queue tries it again, and it would run twice.
func TestJobWhoseTimeIsOver(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "Late", "Timely") }, func(tm *testManager) {
		ctx, cancel := context.WithCancelCause(tm.Context())
		outcomes := map[string]error{}
		tm.turn(func() { // both have their turns after this one
			cancel(queue.ErrTimeout)
			tm.m.Job(ctx, queue.Job{Command: "Late"}, func(err error) { outcomes["Late"] = err })
			tm.m.request(tm.Context(), commandRequest{command: "Timely"}, func(_ []byte, err error) { outcomes["Timely"] = err })
		})
		synctest.Wait()
		if len(ran) != 1 || !strings.HasPrefix(ran[0], "Timely") {
			tm.Errorf("ran %q, want the one whose time was not over", ran)
		}
		if !errors.Is(outcomes["Late"], queue.ErrTimeout) || outcomes["Timely"] != nil {
			tm.Errorf("outcomes: got %v, want %v for the late one", outcomes, queue.ErrTimeout)
		}
	})
}

// A queue learns when the command of a job waits, or has returned, and not before.
func TestJobYields(t *testing.T) {
	var events []string
	var wake func()
	inBubble(t, defaults(), func(tm *testManager) {
		tm.must(tm.h.Command(script.Command{Name: "Wait", Run: func(wire.Value) (wire.Value, error) {
			events = append(events, "runs")
			err := tm.loop.Await(func(w func()) { wake = w })
			events = append(events, "goes on")
			return wire.Raw("null"), err
		}}))
	}, func(tm *testManager) {
		job := queue.Job{Command: "Wait", Yielded: func() { events = append(events, "yielded") }}
		tm.m.Job(tm.Context(), job, func(err error) {
			tm.must(err)
			events = append(events, "done")
		})
		synctest.Wait()
		wake()
		tm.haveRun(&events, "runs, yielded, goes on, done")
	})
}

// unknownJob returns a job in an unknown format, as the worker hands it over.
func unknownJob(t *testing.T, text string) queue.Job {
	t.Helper()
	read, err := queue.ReadBody([]byte(text), nil)
	if err != nil || read.Unknown == nil {
		t.Fatalf("ReadBody(%s) = %+v, %v, want an unknown format", text, read, err)
	}
	read.Queue = "orders"
	return read.Job
}

// Without a job hook, a job in an unknown format is buried with what was found, and with the command that it seems to mean.
func TestJobInUnknownFormat(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "Order", "Announce") }, func(tm *testManager) {
		for text, want := range map[string]string{
			`{"type":"Order","payload":{}}`:          `it has no "job", but "type", "payload"; for the command "Order", write {"job": "Order", "data": {...}}`,
			`{"to":"Order2","type":"App\\Announce"}`: `for the command "Announce", write`,
			`{"event":"order"}`:                      `for the command "Order", write`,
			`{"event":"secret"}`:                     `it has no "job", but "event"; the manager's hook job can read other formats`,
			`coffee`:                                 `the job is not JSON: invalid at byte 0; the manager's hook`,
		} {
			var outcome error
			tm.m.Job(tm.Context(), unknownJob(t, text), func(err error) { outcome = err })
			synctest.Wait()
			if !errors.Is(outcome, queue.ErrUnreadable) || !errors.Is(outcome, queue.ErrPermanent) || !strings.Contains(outcome.Error(), want) {
				tm.Errorf("outcome of %s = %v, want an unreadable job with %s", text, outcome, want)
			}
		}
		if len(ran) != 0 {
			tm.Errorf("ran %q, want nothing", ran)
		}
	})
}

// The job hook reads jobs in an unknown format: it names the command, gives a reason to bury the job, or fails, so that the job is
// tried again.
func TestJobHook(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "Order", "Fail") }, func(tm *testManager) {
		tm.app.read = func(text []byte, queue string) (script.ParsedJob, error) {
			name, arguments, _ := strings.Cut(string(text), " ")
			switch name {
			case "refuse":
				return script.ParsedJob{Reason: "it is refused"}, nil
			case "break":
				return script.ParsedJob{}, errors.New("the hook is broken")
			}
			return script.ParsedJob{Command: name, Arguments: wire.Raw(fmt.Sprintf("%q of %s", arguments, queue))}, nil
		}
		named, outcomes := []string{}, map[string]error{}
		for _, text := range []string{"Order tea", "refuse", "break", "Fail", "Ordr"} {
			j := unknownJob(t, text)
			j.SetCommand = func(command string) { named = append(named, command) }
			tm.m.Job(tm.Context(), j, func(err error) { outcomes[text] = err })
			synctest.Wait()
		}
		if got, want := fmt.Sprint(ran, named), `[Order "tea" of orders Fail "" of orders] [Order Fail Ordr]`; got != want {
			tm.Errorf("ran and named %s, want %s", got, want)
		}
		if outcomes["Order tea"] != nil {
			tm.Errorf("outcome = %v, want nil", outcomes["Order tea"])
		}
		if err := outcomes["refuse"]; !errors.Is(err, queue.ErrUnreadable) || !strings.Contains(err.Error(), "the manager's job hook: it is refused") {
			tm.Errorf("outcome of a refused job = %v, want an unreadable job with the reason", err)
		}
		if err := outcomes["Ordr"]; !errors.Is(err, queue.ErrUnknownCommand) || !strings.Contains(err.Error(), `unknown command "Ordr"; did you mean "Order"?`) {
			tm.Errorf("outcome of an unknown command = %v, want the nearest one named", err)
		}
		for _, text := range []string{"break", "Fail"} {
			var logged interface{ Ref() string }
			if err := outcomes[text]; err == nil || errors.Is(err, queue.ErrPermanent) || !errors.As(err, &logged) {
				tm.Errorf("outcome of %q = %v, want an error that has been logged and is not permanent", text, err)
			}
		}
		contains(tm, "the log", tm.log.String(), `turn=job`, "the hook is broken")
	})
}
