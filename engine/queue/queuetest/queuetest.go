// Package queuetest tests a queue driver with its real service: whatever the service, jobs have the same order, window, attempts,
// reservations and ends. Only tests import it.
package queuetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// Client puts jobs and inspects the queue.
type Client interface {
	queue.Producer
	queue.Admin
}

// Service is a running service without jobs.
type Service struct {
	// Driver returns a new driver, as another process has one.
	Driver func() queue.Driver
	Client Client
	// TTR is Options.TTR of its workers.
	TTR time.Duration
	// JobTTR is PutRequest.TTR of its jobs.
	JobTTR time.Duration
	// Priorities, Ages and Reasons report whether the service keeps them, and Binary whether a body may contain any bytes.
	Priorities, Ages, Reasons, Binary bool
	// Kill ends the service, and Restart starts it again with the jobs that it had confirmed. Optional, both.
	Kill, Restart func()
}

// Run runs all tests. start starts a service whose jobs stay reserved for ttr, in one of the two ways that Service has for that; the
// service ends with the test.
func Run(t *testing.T, start func(t *testing.T, ttr time.Duration) Service) {
	t.Helper()
	for name, test := range map[string]func(f *fixture){
		"order":         testOrder,
		"window":        testWindow,
		"attempts":      testAttempts,
		"permanent":     testPermanentError,
		"delay":         testDelay,
		"touch":         testTouch,
		"crash":         testCrash,
		"redelivery":    testRedelivery,
		"stop":          testStop,
		"outage":        testOutage,
		"priorities":    testPriorities,
		"counts":        testCounts,
		"kick":          testKick,
		"delete":        testDelete,
		"several":       testSeveralWorkers,
		"binary bodies": testBodies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{T: t}
			f.start = func(ttr time.Duration) {
				f.Service = start(t, ttr)
				t.Cleanup(func() { _ = f.Client.Close() })
			}
			test(f)
		})
	}
}

// queueName is the queue of all jobs.
const queueName = "default"

// longTTR is the time to run in tests in which no reservation is to end.
const longTTR = 5 * time.Minute

// fixture is a test with its service.
type fixture struct {
	*testing.T
	Service
	start func(ttr time.Duration)
}

// options returns those of a worker.
func (f *fixture) options() queue.Options {
	return queue.Options{
		Name: queueName, Service: "service", TTR: f.TTR, Window: 64, MaxAttempts: 3, HandlerTimeout: time.Minute,
		Drain: func() time.Duration { return 5 * time.Second },
	}
}

// body returns the body of a job that runs a command.
func body(command string) string { return fmt.Sprintf(`{"job":%q}`, command) }

// put puts jobs that run commands, and returns their IDs.
func (f *fixture) put(commands ...string) []uint64 {
	f.Helper()
	var ids []uint64
	for _, command := range commands {
		ids = append(ids, f.putJob(queue.PutRequest{Body: []byte(body(command)), Priority: queue.DefaultPriority}))
	}
	return ids
}

func (f *fixture) putJob(r queue.PutRequest) uint64 {
	f.Helper()
	r.Queue, r.TTR = queueName, f.JobTTR
	id, err := f.Client.Put(f.Context(), r)
	if err != nil {
		f.Fatalf("Put(%+v) = %v, want nil", r, err)
	}
	return id
}

// counts counts the jobs.
func (f *fixture) counts() queue.Counts {
	f.Helper()
	n, err := f.Client.Counts(f.Context(), queueName)
	if err != nil {
		f.Fatalf("Counts = %v, want nil", err)
	}
	return n
}

// expect fails the test if the numbers of jobs by state differ.
func (f *fixture) expect(when string, ready, delayed, reserved, buried int) {
	f.Helper()
	n := f.counts()
	if n.Ready != ready || n.Delayed != delayed || n.Reserved != reserved || n.Buried != buried {
		f.Errorf("Counts %s = %+v, want %d ready, %d delayed, %d reserved, %d buried", when, n, ready, delayed, reserved, buried)
	}
}

// handler is a function that implements queue.Handler.
type handler func(ctx context.Context, j queue.Job, done func(error))

// Job implements queue.Handler.
func (h handler) Job(ctx context.Context, j queue.Job, done func(error)) { h(ctx, j, done) }

// worker is a worker whose Run has been called.
type worker struct {
	*queue.Worker
	stop func() // stops Run and waits for it; may be called again
}

// work runs a worker until the test ends.
func (f *fixture) work(o queue.Options, h handler) *worker {
	f.Helper()
	log := slog.New(slog.NewTextHandler(f.Output(), nil))
	w := &worker{Worker: queue.NewWorker(o, f.Driver(), h, log)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	w.stop = func() {
		cancel()
		running.Wait()
	}
	f.Cleanup(w.stop)
	return w
}

// recorder is a handler that succeeds at once, and records the commands in the order in which they began.
type recorder struct {
	mu  sync.Mutex
	ran []string // guarded by mu
}

func (r *recorder) Job(_ context.Context, j queue.Job, done func(error)) {
	r.mu.Lock()
	r.ran = append(r.ran, fmt.Sprintf("%s %d", j.Command, j.Attempt))
	r.mu.Unlock()
	done(nil)
}

// list returns the commands, each with the number of the attempt.
func (r *recorder) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ran)
}

// waitEmpty waits until no job is ready, delayed or reserved.
func (f *fixture) waitEmpty() {
	f.Helper()
	testkit.WaitForNone(f, "jobs in the queue", func() (int, error) {
		n, err := f.Client.Counts(f.Context(), queueName)
		return n.Ready + n.Delayed + n.Reserved, err
	})
}

// source is a source of which a test reserves jobs one by one.
type source struct {
	f *fixture
	queue.Source
}

func (f *fixture) open(d queue.Driver) source {
	f.Helper()
	s, err := d.Open(f.Context(), queueName)
	if err != nil {
		f.Fatalf("Open = %v, want nil", err)
	}
	return source{f, s}
}

// reserve reserves the next job, and waits for it.
func (s source) reserve() queue.Job {
	s.f.Helper()
	type answer struct {
		job queue.Job
		err error
	}
	answers := make(chan answer, 1)
	s.Reserve(5*time.Second, func(j queue.Job, err error) { answers <- answer{j, err} })
	s.Flush()
	got := testkit.Receive(s.f, answers, "the answer to Reserve")
	if got.err != nil {
		s.f.Fatalf("Reserve = %v, want a job", got.err)
	}
	return got.job
}

// do calls a method and returns its answer.
func (s source) do(method func(answer func(error))) error {
	s.f.Helper()
	answers := make(chan error, 1)
	method(func(err error) { answers <- err })
	s.Flush()
	return testkit.Receive(s.f, answers, "the answer of the service")
}
