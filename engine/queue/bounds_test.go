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

// A held job is touched more than once a second until its timeout; one touch at a time.
func TestTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			q := memory.New(loop.RealClock{})
			began := time.Now()
			var at []time.Duration
			d := &stubDriver{Queue: q, touch: func(_ uint64, answer func(error)) {
				at = append(at, time.Since(began))
				if !silent {
					answer(nil)
				}
			}}
			o := options()
			o.HandlerTimeout = 3 * time.Second
			r := start(t, q, o, d, func(context.Context, queue.Job, func(error)) {})
			put(t, q, "Endless")
			pass(7 * time.Second)
			r.stop()
			if silent {
				if len(at) != 1 {
					t.Errorf("touched after %v while no touch is answered, want once", at)
				}
				continue
			}
			before := time.Duration(0)
			for _, touched := range at {
				if touched-before < 400*time.Millisecond || touched-before >= time.Second {
					t.Errorf("touched after %v, want pauses of 0.4 s to 1 s", at)
				}
				before = touched
			}
			if before < 2*time.Second || before > 3*time.Second+heartbeat {
				t.Errorf("touched after %v, want it up to the timeout of 3 s, and no longer", at)
			}
		}
	})
}

// A job that was given to another worker is not deleted, and this is logged; a refused delete is logged, too.
func TestJobOfAnotherWorker(t *testing.T) {
	for _, row := range []struct {
		name, want    string
		touch, delete error
		deletes       int
	}{
		{"the touch finds none", "another worker may run it", queue.ErrNotFound, nil, 0},
		{"the touch is refused", `doing="touching it"`, queue.ErrRefused, nil, 1},
		{"the delete is refused", "could not be deleted", nil, queue.ErrRefused, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := memory.New(loop.RealClock{})
			deletes := 0
			d := &stubDriver{
				Queue: q,
				touch: func(_ uint64, answer func(error)) { answer(row.touch) },
				del: func(s queue.Source, id uint64, answer func(error)) {
					if deletes++; row.delete != nil {
						answer(row.delete)
						return
					}
					s.Delete(id, answer)
				},
			}
			r := start(t, q, options(), d, func(_ context.Context, _ queue.Job, done func(error)) {
				time.AfterFunc(3*time.Second, func() { done(nil) })
			})
			put(t, q, "Slow")
			pass(10 * time.Second)
			s := r.Status()
			r.stop()
			if deletes != row.deletes || s.Held != 0 || !strings.Contains(r.log.String(), row.want) {
				t.Errorf("%s: %d deletes, Status = %+v, log:\n%s\nwant %d, nothing held, and %s", row.name, deletes, s, r.log, row.deletes, row.want)
			}
		})
	}
}

// A job that is deleted after its time to run ended, and before another worker reserved it, is done.
func TestDeleteAfterTimeToRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var touched func(error)
		d := &stubDriver{
			Queue: q,
			touch: func(_ uint64, answer func(error)) { touched = answer },
			del: func(s queue.Source, id uint64, answer func(error)) {
				touched(queue.ErrNotFound)
				s.Delete(id, answer)
			},
		}
		var gone []uint64
		o := options()
		o.Forgotten = func(id uint64) { gone = append(gone, id) }
		r := start(t, q, o, d, func(_ context.Context, _ queue.Job, done func(error)) {
			time.AfterFunc(time.Second, func() { done(nil) })
		})
		put(t, q, "Slow")
		pass(2 * time.Second)
		s := r.Status()
		r.stop()
		if s.Done != 1 || s.Held != 0 || len(gone) != 1 {
			t.Errorf("Status = %+v, and Forgotten was called for %v, want one job done and forgotten", s, gone)
		}
	})
}

// A service that does not answer when jobs are given back delays the stop by a second only.
func TestStopWithSilentService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &stubDriver{Queue: q, back: func(func(error)) {}}
		r := start(t, q, options(), d, func(context.Context, queue.Job, func(error)) {})
		put(t, q, "Endless", "Next")
		pass(500 * time.Millisecond)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > 6*time.Second+heartbeat {
			t.Errorf("the stop took %v, want the drain time of 5 s and a second", took)
		}
	})
}

// A job that arrives, or has not begun, when the worker stops is not begun, and is given back at once.
func TestJobsDuringStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &stubDriver{Queue: q}
		var begun runs
		r := start(t, q, options(), d, func(ctx context.Context, j queue.Job, done func(error)) {
			switch j.Command {
			case "Long":
				time.AfterFunc(4*time.Second, func() { done(nil) })
			case "Blocks":
				time.Sleep(500 * time.Millisecond)
				done(nil)
			default:
				begun.succeed(ctx, j, done)
			}
		})
		endProbation(t, r)
		put(t, q, "Long")
		pass(time.Second)
		put(t, q, "Blocks", "Next")
		pass(100 * time.Millisecond)
		d.late.Store(true)
		put(t, q, "Late")
		pass(100 * time.Millisecond)
		if n := counts(t, q); n.Reserved != 4 {
			t.Fatalf("Counts = %+v, want 4 reserved", n)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.stop()
		}()
		pass(2 * time.Second)
		if n := counts(t, q); n.Ready != 2 || n.Reserved != 1 {
			t.Errorf("Counts after the stop began = %+v, want 2 ready and the long one reserved", n)
		}
		<-ended
		if next, late := begun.of("Next"), begun.of("Late"); next+late > 0 {
			t.Errorf("the job that waited ran %d times and the late one %d times, want none begun", next, late)
		}
	})
}

// A retired worker gives back jobs that do not end in the time given to Retire.
func TestRetireGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		r := start(t, q, options(), nil, func(context.Context, queue.Job, func(error)) {})
		put(t, q, "Endless")
		pass(time.Second)
		r.Retire(2 * time.Second)
		pass(4 * time.Second)
		if n := counts(t, q); n.Ready != 1 {
			t.Errorf("Counts = %+v, want the job ready", n)
		}
		r.stop()
	})
}

// A job that is buried because it crashes the process does not hold the jobs behind it.
func TestBehindCrashingJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		put(t, q, "Crashing", "Behind")
		o := options()
		o.Drain = func() time.Duration { return time.Nanosecond }
		m := &flakyDriver{Queue: q, dies: true}
		for range 5 {
			r := start(t, q, o, m, func(context.Context, queue.Job, func(error)) {})
			pass(500 * time.Millisecond)
			r.stop()
		}
		var ran runs
		r := start(t, q, o, m, ran.succeed)
		pass(time.Second)
		r.stop()
		if crashing, behind := ran.of("Crashing"), ran.of("Behind"); crashing != 0 || behind != 1 {
			t.Errorf("after five crashes the job ran %d times and the one behind it %d times, want 0 and 1", crashing, behind)
		}
	})
}

// Many buried jobs are logged when they become many. They are counted at most once a minute.
func TestManyBuried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		answers := []int{1000, 1001, 1001, 1000, 1001, 1001}
		asked := 0
		d := &stubDriver{Queue: q, buried: func(answer func(int, error)) {
			answer(answers[min(asked, len(answers)-1)], nil)
			asked++
		}}
		r := start(t, q, options(), d, func(_ context.Context, _ queue.Job, done func(error)) { done(queue.ErrPermanent) })
		for range 31 {
			put(t, q, "Hopeless")
			pass(10 * time.Second)
		}
		r.stop()
		if asked != 6 {
			t.Errorf("in 310 s the buried jobs were counted %d times, want 6", asked)
		}
		if n := strings.Count(r.log.String(), "many jobs are buried"); n != 2 {
			t.Errorf("the log says %d times that many jobs are buried, want twice:\n%s", n, r.log)
		}
	})
}

// Attempts are counted after the probation, too; a body may allow fewer of them.
func TestAttemptsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		attempts := map[string][]int{}
		r := start(t, q, options(), nil, func(_ context.Context, j queue.Job, done func(error)) {
			if j.Command == "warm" {
				done(nil)
				return
			}
			attempts[j.Command] = append(attempts[j.Command], j.Attempt)
			done(errors.New("it is broken"))
		})
		endProbation(t, r)
		put(t, q, "Broken", `{"job":"Hasty","maxTries":2}`)
		pass(time.Minute)
		r.stop()
		if got := fmt.Sprint(attempts["Broken"], attempts["Hasty"]); got != "[1 2 3 4 5] [1 2]" {
			t.Errorf("attempts: got %s, want [1 2 3 4 5] [1 2]", got)
		}
		if n := counts(t, q); n.Buried != 2 {
			t.Errorf("Counts = %+v, want 2 buried", n)
		}
	})
}

// However often a job has failed, the delay before the next attempt is at most five minutes, and not zero.
func TestRetryDelayBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		o := options()
		o.MaxAttempts = 20
		var at []time.Time
		r := start(t, q, o, nil, func(_ context.Context, _ queue.Job, done func(error)) {
			at = append(at, time.Now())
			done(errors.New("it is broken"))
		})
		put(t, q, "Broken")
		pass(2 * time.Hour)
		r.stop()
		if len(at) != 20 {
			t.Fatalf("%d attempts, want 20", len(at))
		}
		for i := 10; i < len(at); i++ {
			if got := at[i].Sub(at[i-1]).Truncate(time.Second); got != 5*time.Minute {
				t.Errorf("attempt %d came %v after the one before it, want 5m", i+1, got)
			}
		}
	})
}

// No more jobs are held than the window allows, on probation or not; while one runs for long, others are taken.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []bool{true, false} {
			q := memory.New(loop.RealClock{})
			o := options()
			o.Window = 2
			r := start(t, q, o, nil, func(_ context.Context, j queue.Job, done func(error)) {
				if j.Command == "warm" {
					done(nil)
				}
			})
			if !first {
				endProbation(t, r)
			}
			put(t, q, "Endless")
			pass(2 * time.Second)
			put(t, q, "Endless", "Endless", "Endless")
			pass(10 * time.Second)
			if n := counts(t, q); n.Reserved != 2 || n.Ready != 2 {
				t.Errorf("Counts of 4 endless jobs (on probation: %t) = %+v, want 2 reserved", first, n)
			}
			r.stop()
		}
	})
}

// The last hundred failures are kept.
func TestFailuresBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		r := start(t, q, options(), nil, func(_ context.Context, _ queue.Job, done func(error)) { done(queue.ErrPermanent) })
		for range 150 {
			put(t, q, "Hopeless")
		}
		pass(time.Minute)
		r.stop()
		failed := r.Failed()
		if len(failed) != 100 || failed[0].ID != 51 || failed[99].ID != 150 {
			t.Errorf("Failed has %d jobs, want the last 100 of 150", len(failed))
		}
	})
}
