package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// Jobs begin in the order in which they were put, the first ones one by one, and later ones many at once.
func testOrder(f *fixture) {
	f.start(longTTR)
	var commands, want []string
	for i := range 300 {
		commands = append(commands, fmt.Sprint("Job", i))
		want = append(want, fmt.Sprintf("Job%d 1", i))
	}
	f.put(commands...)
	var ran recorder
	w := f.work(f.options(), ran.Job)
	testkit.WaitFor(f, "all jobs", func() bool { return w.Status().Done == 300 })
	if got := ran.list(); !slices.Equal(got, want) {
		f.Errorf("jobs began in the order %v, want that in which they were put", got)
	}
	f.expect("at the end", 0, 0, 0, 0)
	if n := w.Status().ConnectionsLost; n != 0 {
		f.Errorf("%d connections were lost, want none", n)
	}
}

// A worker reserves no more jobs than its window allows.
func testWindow(f *fixture) {
	f.start(longTTR)
	f.put(slices.Repeat([]string{"Endless"}, 10)...)
	o := f.options()
	o.Window = 4
	o.Drain = func() time.Duration { return time.Millisecond }
	begun := make(chan struct{}, 10)
	w := f.work(o, func(_ context.Context, j queue.Job, _ func(error)) {
		if j.Yielded != nil {
			j.Yielded()
		}
		begun <- struct{}{}
	})
	for range 4 {
		testkit.Receive(f, begun, "a job within the window")
	}
	f.expect("while the window is full", 6, 0, 4, 0)
	w.stop()
	f.expect("after the stop", 10, 0, 0, 0)
	if len(begun) > 0 {
		f.Errorf("%d jobs began beyond the window, want none", len(begun))
	}
}

// A failing job is tried again after a growing delay, with the attempt counted, and is buried with the reason after the last one. It
// holds no job behind it.
func testAttempts(f *fixture) {
	f.start(longTTR)
	f.put("Broken", "Next")
	var mu sync.Mutex
	var attempts []int
	var at []time.Time
	w := f.work(f.options(), func(_ context.Context, j queue.Job, done func(error)) {
		if j.Command == "Next" {
			done(nil)
			return
		}
		mu.Lock()
		attempts, at = append(attempts, j.Attempt), append(at, time.Now())
		mu.Unlock()
		done(errors.New("it is broken"))
	})
	testkit.WaitFor(f, "the bury", func() bool { return w.Status().Buried == 1 && w.Status().Done == 1 })
	if !slices.Equal(attempts, []int{1, 2, 3}) {
		f.Fatalf("attempts: got %v, want [1 2 3]", attempts)
	}
	for i, least := range []time.Duration{time.Second, 2 * time.Second} {
		// A service that counts in whole seconds may round the end of the delay down.
		if pause := at[i+1].Sub(at[i]); pause <= least-time.Second {
			f.Errorf("attempt %d came %v after the one before it, want about %v", i+2, pause, least)
		}
	}
	f.expect("at the end", 0, 0, 0, 1)
	f.expectBuried(body("Broken"), "it is broken")
	w.stop()
	f.recoverBuried()
}

// recoverBuried kicks a job that was buried after its last attempt: it fails for one more attempt only.
func (f *fixture) recoverBuried() {
	f.Helper()
	if n, err := f.Client.Kick(f.Context(), queueName, 5); n != 1 || err != nil {
		f.Errorf("Kick = %d, %v, want 1", n, err)
	}
	w := f.work(f.options(), func(_ context.Context, _ queue.Job, done func(error)) { done(errors.New("it is still broken")) })
	testkit.WaitFor(f, "the second bury", func() bool { return w.Status().Buried == 1 })
	if s := w.Status(); s.Released != 0 {
		f.Errorf("Status after a kicked job failed = %+v, want no further attempt", s)
	}
	f.expectBuried(body("Broken"), "it is still broken")
}

// expectBuried fails the test if the first buried job differs.
func (f *fixture) expectBuried(body, reason string) {
	f.Helper()
	j, stats, err := f.Client.Peek(f.Context(), queueName, queue.Buried)
	if err != nil || !strings.Contains(string(j.Body), strings.Trim(body, "{}")) || stats.State != "buried" || stats.Queue != queueName {
		f.Errorf("Peek(buried) = %s, %+v, %v, want %s", j.Body, stats, err, body)
	}
	if !f.Reasons {
		reason = ""
	}
	if !strings.Contains(stats.Reason, reason) {
		f.Errorf("Peek(buried) has the reason %q, want %q", stats.Reason, reason)
	}
}

// Jobs with a permanent error, or a body that cannot be read, are buried at once.
func testPermanentError(f *fixture) {
	f.start(longTTR)
	f.put("Hopeless")
	bodies := []string{"no JSON", "", `[1,2`, `{"job":"Order","data":7}`}
	if f.Binary {
		bodies = append(bodies, "\x00\xff\x80")
	}
	for _, body := range bodies {
		f.putJob(queue.PutRequest{Body: []byte(body), Priority: queue.DefaultPriority})
	}
	w := f.work(f.options(), func(_ context.Context, j queue.Job, done func(error)) {
		if j.Unknown != nil {
			done(j.Unknown)
			return
		}
		done(queue.Permanent(errors.New("it is hopeless")))
	})
	testkit.WaitFor(f, "the jobs to be buried", func() bool { return int(w.Status().Buried) == 1+len(bodies) })
	if s := w.Status(); s.Released != 0 || int(s.BuriedFor[queue.BuryUnreadable]) != len(bodies) {
		f.Errorf("Status = %+v, want none released, and %d unreadable", s, len(bodies))
	}
	f.expect("at the end", 0, 0, 0, 1+len(bodies))
}

// A delayed job does not run before its time, and then does, although the worker already waits.
func testDelay(f *fixture) {
	f.start(longTTR)
	var ran recorder
	w := f.work(f.options(), ran.Job)
	testkit.WaitFor(f, "the connection", func() bool { return w.Status().Connected })
	began := time.Now()
	f.putJob(queue.PutRequest{Body: []byte(body("Later")), Delay: 3 * time.Second, Priority: queue.DefaultPriority})
	f.put("Now")
	testkit.WaitFor(f, "both jobs", func() bool { return w.Status().Done == 2 })
	if got := ran.list(); !slices.Equal(got, []string{"Now 1", "Later 1"}) || time.Since(began) < 2*time.Second {
		f.Errorf("ran %v in %v, want the delayed one last, after 3 s", got, time.Since(began))
	}
	if n := w.Status().ConnectionsLost; n != 0 {
		f.Errorf("%d connections were lost, want none", n)
	}
}

// A job that runs longer than its time to run stays reserved: no other worker gets it.
func testTouch(f *fixture) {
	const ttr = 4 * time.Second
	f.start(ttr)
	f.put("Long")
	var ran recorder
	long := func(ctx context.Context, j queue.Job, done func(error)) {
		time.AfterFunc(2*ttr, func() { ran.Job(ctx, j, done) })
	}
	w, other := f.work(f.options(), long), f.work(f.options(), long)
	testkit.WaitFor(f, "the job", func() bool { return w.Status().Done+other.Status().Done == 1 })
	w.stop()
	other.stop()
	if taken := w.Status().Taken + other.Status().Taken; taken != 1 || len(ran.list()) != 1 {
		f.Errorf("the job began %d times, want once", taken)
	}
	f.expect("at the end", 0, 0, 0, 0)
}

// A stopping worker lets running jobs end within the drain time. It gives the others back in their order, and that costs no attempt.
func testStop(f *fixture) {
	f.start(longTTR)
	f.put("Short", "Endless", "Third", "Fourth")
	o := f.options()
	o.Drain = func() time.Duration { return 500 * time.Millisecond }
	begun, release := make(chan struct{}, 4), make(chan struct{})
	w := f.work(o, func(_ context.Context, j queue.Job, done func(error)) {
		if j.Yielded != nil && j.Command == "Short" {
			j.Yielded()
		}
		begun <- struct{}{}
		if j.Command == "Short" {
			go func() {
				<-release
				done(nil)
			}()
		}
	})
	for range 2 {
		testkit.Receive(f, begun, "the first jobs")
	}
	close(release)
	w.stop()
	if s := w.Status(); s.Done != 1 || s.Held != 0 {
		f.Errorf("Status after the stop = %+v, want 1 done and none held", s)
	}
	f.expect("after the stop", 3, 0, 0, 0)
	var ran recorder
	next := f.work(f.options(), ran.Job)
	testkit.WaitFor(f, "the jobs that were given back", func() bool { return next.Status().Done == 3 })
	if got := ran.list(); !slices.Equal(got, []string{"Endless 1", "Third 1", "Fourth 1"}) {
		f.Errorf("after the stop ran %v, want the other jobs in order, each for the first time", got)
	}
}

// Jobs are shared by several workers, and none runs twice.
func testSeveralWorkers(f *fixture) {
	f.start(longTTR)
	var ran recorder
	var workers []*worker
	for range 3 {
		workers = append(workers, f.work(f.options(), ran.Job))
	}
	var want []string
	for i := range 300 {
		f.put(fmt.Sprint("Job", i))
		want = append(want, fmt.Sprintf("Job%d 1", i))
	}
	testkit.WaitFor(f, "the jobs", func() bool {
		return workers[0].Status().Done+workers[1].Status().Done+workers[2].Status().Done >= 300
	})
	f.waitEmpty()
	got := ran.list()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.Errorf("three workers ran %v, want each job once", got)
	}
}
