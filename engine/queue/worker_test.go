package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// handler is a function that implements queue.Handler.
type handler func(ctx context.Context, j queue.Job, done func(error))

func (h handler) Job(ctx context.Context, j queue.Job, done func(error)) { h(ctx, j, done) }

func options() queue.Options {
	return queue.Options{
		Name: "default", Window: 64, MaxAttempts: 5, HandlerTimeout: time.Minute, Drain: func() time.Duration { return 5 * time.Second },
	}
}

// fixture is a running worker in a synctest bubble.
type fixture struct {
	*queue.Worker
	q    *memory.Queue
	log  *bytes.Buffer
	stop func() // stops Run and waits for it
}

// start runs a worker on a queue in memory. If d is nil, the queue is the driver.
func start(t *testing.T, q *memory.Queue, o queue.Options, d queue.Driver, h handler) *fixture {
	t.Helper()
	r := &fixture{q: q, log: &bytes.Buffer{}}
	if d == nil {
		d = q
	}
	r.Worker = queue.NewWorker(o, d, h, slog.New(slog.NewTextHandler(r.log, nil)))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	r.stop = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(r.stop)
	return r
}

// pass lets time pass, and waits until the worker is idle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func put(t *testing.T, q *memory.Queue, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if !strings.HasPrefix(body, "{") && body != "!" {
			body = fmt.Sprintf(`{"job":%q}`, body)
		}
		if _, err := q.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(body), Priority: queue.DefaultPriority}); err != nil {
			t.Fatalf("Put(%.40q) = %v, want nil", body, err)
		}
	}
}

func counts(t *testing.T, q *memory.Queue) queue.Counts {
	t.Helper()
	n, err := q.Counts(t.Context(), "default")
	if err != nil {
		t.Fatalf("Counts = %v, want nil", err)
	}
	return n
}

// endProbation puts as many jobs as are begun one by one after a start, and waits for them.
func endProbation(t *testing.T, r *fixture) {
	t.Helper()
	before := r.Status().Done
	for range 64 {
		put(t, r.q, "warm")
	}
	pass(time.Second)
	if got := r.Status().Done - before; got != 64 {
		t.Fatalf("first jobs: %d done, want 64", got)
	}
}

// The map translates names of jobs to commands, by class before name; IDs, arguments and attempts are passed on.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		o := options()
		o.Map = map[string]string{`App\Jobs\AddPrize`: "ByClass", "AddPrize": "ByName"}
		var got []string
		r := start(t, q, o, nil, func(_ context.Context, j queue.Job, done func(error)) {
			got = append(got, fmt.Sprintf("%d %s %q %d", j.ID, j.Command, j.Arguments, j.Attempt))
			done(nil)
		})
		put(t, q, `App\Jobs\AddPrize`, `Other\AddPrize`, `{"job":"AddPrize","data":{"prize":1}}`, "Plain")
		pass(time.Second)
		r.stop()
		want := []string{`1 ByClass "" 1`, `2 ByName "" 1`, `3 ByName "{\"prize\":1}" 1`, `4 Plain "" 1`}
		if !slices.Equal(got, want) {
			t.Errorf("jobs: got %q, want %q", got, want)
		}
		if n := counts(t, q); n != (queue.Counts{}) {
			t.Errorf("Counts after the jobs = %+v, want none", n)
		}
	})
}

// A failing job is tried again after 1, 2 and 4 s, with the attempt counted, and buried after the last attempt.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		o := options()
		o.MaxAttempts = 4
		var got []string
		began := time.Now()
		r := start(t, q, o, nil, func(_ context.Context, j queue.Job, done func(error)) {
			got = append(got, fmt.Sprint(j.Attempt, " after ", time.Since(began).Truncate(time.Second)))
			done(errors.New("it is broken"))
		})
		put(t, q, "Broken")
		pass(time.Minute)
		want := []string{"1 after 0s", "2 after 1s", "3 after 3s", "4 after 7s"}
		if !slices.Equal(got, want) {
			t.Errorf("attempts: got %q, want %q", got, want)
		}
		r.stop()
		if n := counts(t, q); n.Buried != 1 {
			t.Errorf("Counts = %+v, want 1 buried", n)
		}
		failed := r.Failed()
		if len(failed) != 4 || failed[3].Attempt != 4 || !failed[3].Buried || failed[0].Buried || failed[3].Command != "Broken" {
			t.Errorf("Failed = %+v, want 3 that were released and 1 that was buried", failed)
		}
		if s := r.Status(); s.Taken != 4 || s.Released != 3 || s.Buried != 1 || s.BuriedFor[queue.BuryAttempts] != 1 {
			t.Errorf("Status = %+v, want 4 taken, 3 released and 1 buried", s)
		}
	})
}

// unknown is the error of an unregistered command.
type unknown struct{}

func (unknown) Error() string { return "it is unknown" }

func (unknown) Is(target error) bool {
	return target == queue.ErrUnknownCommand || target == queue.ErrPermanent
}

// A job with a permanent error is buried at once, and the reason is counted. The handler gets a body in an unknown format.
func TestPermanentErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		r := start(t, q, options(), nil, func(_ context.Context, j queue.Job, done func(error)) {
			switch {
			case j.Unknown != nil && len(j.Body) > 0 && j.Queue == "default":
				done(j.Unknown)
			case j.Command == "Unknown":
				done(unknown{})
			default:
				done(fmt.Errorf("%w: it is spoilt", queue.ErrPermanent))
			}
		})
		put(t, q, "!", `{"job":"Wrong","data":x}`, `{"job":"Wrong","data":[7]}`, "Unknown", "Spoilt")
		pass(time.Second)
		r.stop()
		if n := counts(t, q); n.Buried != 5 {
			t.Errorf("Counts = %+v, want 5 buried", n)
		}
		s := r.Status()
		if s.Taken != 2 {
			t.Errorf("Status = %+v, want 2 taken: the others cannot be read", s)
		}
		for why, want := range map[queue.BuryReason]uint64{queue.BuryUnreadable: 3, queue.BuryUnknownCommand: 1, queue.BuryPermanent: 1} {
			if s.BuriedFor[why] != want {
				t.Errorf("%d are buried for %s, want %d", s.BuriedFor[why], why, want)
			}
		}
	})
}

// A job that exceeds its timeout is interrupted; if its handler does not return then, the job fails anyway. A body may set its own
// timeout.
func TestHandlerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		o := options()
		o.HandlerTimeout, o.MaxAttempts = 10*time.Second, 1
		causes := map[string]error{}
		began := time.Now()
		r := start(t, q, o, nil, func(ctx context.Context, j queue.Job, done func(error)) {
			context.AfterFunc(ctx, func() {
				causes[fmt.Sprint(j.Command, " after ", time.Since(began).Round(time.Second))] = context.Cause(ctx)
				if j.Command != "Stuck" {
					done(context.Cause(ctx))
				}
			})
		})
		put(t, q, "Slow", "Stuck", `{"job":"Impatient","timeout":1,"maxTries":1}`)
		pass(30 * time.Second)
		r.stop()
		if n := counts(t, q); n.Buried != 3 {
			t.Errorf("Counts = %+v, want 3 buried", n)
		}
		// The first jobs are begun one by one, each when the previous one has run for a second.
		for _, name := range []string{"Slow after 10s", "Stuck after 11s", "Impatient after 3s"} {
			if !errors.Is(causes[name], queue.ErrTimeout) {
				t.Errorf("cause of %s = %v, want %v; all: %v", name, causes[name], queue.ErrTimeout, causes)
			}
		}
	})
}

// While a handler cannot begin a job, only a few more jobs are reserved; an urgent job waits behind those only.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var got []string
		r := start(t, q, options(), nil, func(_ context.Context, j queue.Job, done func(error)) {
			if j.Command != "warm" {
				time.Sleep(100 * time.Millisecond)
			}
			got = append(got, j.Command)
			done(nil)
		})
		endProbation(t, r)
		for range 200 {
			put(t, q, "Slow")
		}
		pass(10 * time.Second)
		before := int(r.Status().Taken) // one of them may still block the handler
		if _, err := q.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(`{"job":"Urgent"}`)}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		r.stop()
		if i := slices.Index(got[before-1:], "Urgent"); i < 0 || i > 4 {
			t.Errorf("an urgent job came after %d slow ones, want 4 at most: %q", i, got[before-1:])
		}
	})
}

// A stopping worker gives back at once the jobs that have not begun, and waits for the running ones up to its drain time.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		begun := 0
		r := start(t, q, options(), nil, func(ctx context.Context, j queue.Job, done func(error)) {
			switch begun++; j.Command {
			case "warm":
				done(nil)
			case "Patient":
				time.AfterFunc(3*time.Second, func() { done(nil) })
			case "Endless":
				context.AfterFunc(ctx, func() { done(context.Cause(ctx)) })
			case "Blocks":
				<-ctx.Done()
				done(context.Cause(ctx))
			}
		})
		endProbation(t, r)
		put(t, q, "Patient", "Endless", "Blocks", "Next", "Next", "Next")
		pass(time.Second)
		if n := counts(t, q); n.Reserved != 6 {
			t.Fatalf("Counts = %+v, want 6 reserved", n)
		}
		if s := r.Status(); s.Held != 6 {
			t.Errorf("Status = %+v, want 6 held", s)
		}
		began := time.Now()
		ended := make(chan struct{})
		go func() {
			r.stop()
			close(ended)
		}()
		pass(100 * time.Millisecond)
		if n := counts(t, q); n.Reserved != 3 || n.Ready != 3 {
			t.Errorf("Counts after the stop began = %+v, want 3 that were begun reserved and 3 ready", n)
		}
		<-ended
		if took := time.Since(began); took < 4*time.Second || took > 5*time.Second+heartbeat {
			t.Errorf("the stop took %v, want the 5 s that jobs have", took)
		}
		if n := counts(t, q); n.Reserved != 0 || n.Ready != 5 {
			t.Errorf("Counts after the stop = %+v, want all but the one that ended ready", n)
		}
		if s := r.Status(); s.Done != 65 || s.GivenBack != 5 || s.Released != 0 {
			t.Errorf("Status = %+v, want 65 done and 5 given back", s)
		}
		if begun != 67 {
			t.Errorf("%d jobs were begun, want 67: none that was given back", begun)
		}
	})
}

const heartbeat = 200 * time.Millisecond

// A retired worker takes no more jobs, and its running jobs have the time given to Retire: a job that takes longer than the drain
// time is done once.
func TestRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		r := start(t, q, options(), nil, func(ctx context.Context, j queue.Job, done func(error)) {
			if j.Command == "warm" {
				done(nil)
				return
			}
			long := time.AfterFunc(8*time.Second, func() { done(nil) })
			context.AfterFunc(ctx, func() {
				if long.Stop() {
					done(context.Cause(ctx))
				}
			})
		})
		endProbation(t, r)
		put(t, q, "Long")
		pass(time.Second)
		r.Retire(10 * time.Second)
		put(t, q, "Later")
		pass(8 * time.Second)
		if n := counts(t, q); n.Reserved != 0 || n.Ready != 1 {
			t.Errorf("Counts = %+v, want the long job gone and the later one ready", n)
		}
		if s := r.Status(); s.Done != 65 || s.GivenBack != 0 {
			t.Errorf("Status = %+v, want 65 done and none given back", s)
		}
		r.stop()
	})
}

// A job that crashes the process is buried after 5 times; a job that was only held with it is not. A kicked one may run 5 times more.
func TestCrashingJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		put(t, q, "Crashing", "Innocent")
		o := options()
		o.Drain = func() time.Duration { return time.Nanosecond }
		m := &flakyDriver{Queue: q, dies: true}
		crashes, innocent := 0, 0
		runSeven := func() {
			for range 7 {
				died := make(chan struct{}, 1)
				r := start(t, q, o, m, func(_ context.Context, j queue.Job, done func(error)) {
					if j.Command == "Innocent" {
						innocent++
						done(nil)
						return
					}
					crashes++
					died <- struct{}{}
				})
				select {
				case <-died:
				case <-time.After(time.Second):
				}
				r.stop()
			}
		}
		runSeven()
		if crashes != 5 || innocent != 1 {
			t.Errorf("the crashing job ran %d times and the other %d times, want 5 and 1", crashes, innocent)
		}
		if n := counts(t, q); n.Buried != 1 || n.Ready != 0 {
			t.Errorf("Counts = %+v, want 1 buried", n)
		}
		if n, err := q.Kick(t.Context(), "default", 10); n != 1 || err != nil {
			t.Errorf("Kick = %d, %v, want 1, nil", n, err)
		}
		runSeven()
		if crashes != 10 {
			t.Errorf("the crashing job ran %d times after it was kicked, want 10", crashes)
		}
	})
}
