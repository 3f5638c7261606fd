package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// After a start, a job that waits, or whose effect is being saved, does not delay the next one; one that does neither does.
func TestProbationOfWaitingJobs(t *testing.T) {
	for name, test := range map[string]struct {
		progress func(j queue.Job)
		begun    uint64
	}{
		"waits":    {func(j queue.Job) { j.Yielded() }, 64},
		"returned": {func(j queue.Job) { j.Returned() }, 64},
		"runs":     {func(queue.Job) {}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := memory.New(loop.RealClock{})
				for range 70 {
					put(t, q, "Slow")
				}
				r := start(t, q, options(), nil, func(_ context.Context, j queue.Job, _ func(error)) { test.progress(j) })
				pass(900 * time.Millisecond)
				if got := r.Status().Taken; got != test.begun {
					t.Errorf("jobs begun in the first 900 ms: %d, want %d", got, test.begun)
				}
				r.stop()
			})
		})
	}
}

// A job that crashes the process after it has waited is found: once it is suspected, the jobs behind it do not begin with it, and
// only it is buried.
func TestProbationOfSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		put(t, q, "Crashing")
		for range 10 {
			put(t, q, "Behind")
		}
		o := options()
		o.Drain = func() time.Duration { return time.Nanosecond }
		m := &flakyDriver{Queue: q, dies: true}
		crashes, finished := 0, 0
		for range 7 {
			died := make(chan struct{}, 1)
			r := start(t, q, o, m, func(ctx context.Context, j queue.Job, done func(error)) {
				j.Yielded()
				if j.Command == "Crashing" {
					crashes++
					time.AfterFunc(100*time.Millisecond, func() { died <- struct{}{} })
					return
				}
				time.AfterFunc(500*time.Millisecond, func() {
					if ctx.Err() == nil { // the process has not crashed
						finished++
						done(nil)
					}
				})
			})
			select {
			case <-died:
			case <-time.After(time.Minute):
			}
			r.stop()
		}
		if crashes != 5 || finished != 10 {
			t.Errorf("the crashing job ran %d times, and %d others finished, want 5 and 10", crashes, finished)
		}
		if n := counts(t, q); n.Buried != 1 || n.Ready != 0 {
			t.Errorf("Counts = %+v, want 1 buried", n)
		}
	})
}
