package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// A job whose command has returned is kept and not run again, however long its effect takes to be saved.
func TestReturnedJobIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		runs := 0
		var ended error
		r := start(t, q, options(), nil, func(ctx context.Context, j queue.Job, done func(error)) {
			runs++
			j.Returned()
			time.AfterFunc(10*time.Minute, func() {
				ended = ctx.Err()
				done(nil)
			})
		})
		put(t, q, "Saved late")
		pass(11 * time.Minute)
		r.stop()
		if s := r.Status(); runs != 1 || s.Done != 1 || s.Released != 0 {
			t.Errorf("the job ran %d times, Status = %+v, want it run once and done", runs, s)
		}
		if ended != nil {
			t.Errorf("the context of a job that has returned ended: %v, want it not to", ended)
		}
	})
}

// An orderly stop costs no job an attempt, whether it has begun or not, and does not count as a crash.
func TestStopCostsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		put(t, q, "Endless", "Next")
		o := options()
		o.Drain = func() time.Duration { return time.Second }
		runs := 0
		for range 8 {
			r := start(t, q, o, nil, func(ctx context.Context, j queue.Job, done func(error)) {
				if j.Attempt != 1 {
					t.Errorf("job %s is attempt %d, want 1", j.Command, j.Attempt)
				}
				runs++
				<-ctx.Done()
			})
			pass(500 * time.Millisecond)
			r.stop()
			if s := r.Status(); s.GivenBack == 0 || s.Released+s.Buried > 0 {
				t.Errorf("Status after a stop = %+v, want jobs given back and none failed", s)
			}
		}
		if n := counts(t, q); n.Ready != 2 || runs != 8 {
			t.Errorf("after 8 stops the job has run %d times and the queue has %+v, want 8 and 2 ready", runs, n)
		}
		began := time.Now()
		var delays []time.Duration
		r := start(t, q, o, nil, func(_ context.Context, j queue.Job, done func(error)) {
			if j.Command == "Endless" {
				delays = append(delays, time.Since(began).Truncate(time.Second))
			}
			done(errors.New("it is broken"))
		})
		pass(time.Minute)
		r.stop()
		if got := fmt.Sprint(delays); got != "[0s 1s 3s 7s 15s]" {
			t.Errorf("attempts after the stops: after %s, want all 5, after [0s 1s 3s 7s 15s]", got)
		}
	})
}

// A kicked job that was buried after its last attempt repeats that attempt; one that was buried before has all its attempts.
func TestKickedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		o := options()
		o.MaxAttempts = 3
		attempts := map[string][]int{}
		known := false
		r := start(t, q, o, nil, func(_ context.Context, j queue.Job, done func(error)) {
			attempts[j.Command] = append(attempts[j.Command], j.Attempt)
			if j.Command == "Unknown" && !known {
				done(queue.ErrPermanent)
				return
			}
			done(errors.New("it is broken"))
		})
		put(t, q, "Broken", "Unknown")
		pass(time.Minute)
		known = true
		if n, err := q.Kick(t.Context(), "default", 2); n != 2 || err != nil {
			t.Fatalf("Kick = %d, %v, want 2, nil", n, err)
		}
		pass(time.Minute)
		r.stop()
		if got := fmt.Sprint(attempts["Broken"], attempts["Unknown"]); got != "[1 2 3 3] [1 1 2 3]" {
			t.Errorf("attempts: got %s, want [1 2 3 3] [1 1 2 3]", got)
		}
		for _, f := range r.Failed() {
			if f.Attempt > 3 {
				t.Errorf("Failed has attempt %d, want at most 3", f.Attempt)
			}
		}
	})
}

// If the service buries a job instead of releasing it, that is logged and counted.
func TestReleaseThatBuries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, refuses: fmt.Errorf("beanstalkd: %w: no memory", queue.ErrBuried)}
		r := start(t, q, options(), m, fail)
		put(t, q, "Broken")
		pass(time.Minute)
		r.stop()
		if s := r.Status(); s.Buried != 1 || s.Released != 0 || s.BuriedFor[queue.BuryService] != 1 {
			t.Errorf("Status = %+v, want 1 buried and none released", s)
		}
		if log := r.log.String(); strings.Contains(log, "tried again") || !strings.Contains(log, "no memory: it is broken") {
			t.Errorf("the log is %s, want it to say that the job is buried, and both reasons", log)
		}
	})
}

// A refused release is logged, and the job's failure is not.
func TestRefusalIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, refuses: fmt.Errorf("beanstalkd: %w: internal error", queue.ErrRefused)}
		r := start(t, q, options(), m, fail)
		put(t, q, "Broken")
		pass(time.Minute)
		r.stop()
		log := r.log.String()
		if !strings.Contains(log, "refused a command") || !strings.Contains(log, `doing="releasing it"`) || strings.Contains(log, "tried again") {
			t.Errorf("the log is %s, want it to say that the release was refused, and not that the job is tried again", log)
		}
		if failed := r.Failed(); len(failed) > 0 {
			t.Errorf("Failed = %+v, want none", failed)
		}
	})
}

// reported is an error that the handler has logged.
type reported struct{ error }

func (reported) Ref() string { return "8f3a" }

// What a handler has logged is not logged again, and the same failure is logged at most once a second.
func TestFailuresAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		r := start(t, q, options(), nil, func(_ context.Context, j queue.Job, done func(error)) {
			switch j.Command {
			case "warm":
				done(nil)
			case "Reported":
				done(reported{errors.New("a long traceback")})
			default:
				done(queue.ErrPermanent)
			}
		})
		endProbation(t, r)
		put(t, q, "Reported")
		for range 50 {
			put(t, q, "Hopeless")
		}
		pass(500 * time.Millisecond)
		put(t, q, "Other")
		pass(100 * time.Millisecond)
		r.stop()
		log := r.log.String()
		if strings.Contains(log, "traceback") || !strings.Contains(log, "ref=8f3a") {
			t.Errorf("the log is %s, want the reference of the logged error, and not the error", log)
		}
		if n := strings.Count(log, "command=Hopeless"); n != 1 || !strings.Contains(log, "command=Other") {
			t.Errorf("50 jobs that fail at once are in the log %d times, want once, and the other too:\n%s", n, log)
		}
		if s := r.Status(); s.Buried != 51 || len(r.Failed()) != 52 {
			t.Errorf("Status = %+v, %d failures, want 51 buried and 52 failures", s, len(r.Failed()))
		}
	})
}
