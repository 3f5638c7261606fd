package beanstalkd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/queue"
)

// handler is a function that implements queue.Handler.
type handler func(ctx context.Context, j queue.Job, done func(error))

func (h handler) Job(ctx context.Context, j queue.Job, done func(error)) { h(ctx, j, done) }

// job returns the body of a job.
func job(command string) string { return fmt.Sprintf(`{"job":%q}`, command) }

func options() queue.Options {
	return queue.Options{
		Name: "default", Window: 64, MaxAttempts: 5, HandlerTimeout: time.Minute, Drain: func() time.Duration { return 5 * time.Second },
	}
}

// logged collects log lines.
type logged struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

// about returns the lines that contain a text.
func (l *logged) about(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// runningWorker is a worker whose Run has been called.
type runningWorker struct {
	*queue.Worker
	log  *logged
	stop func() // stops Run and waits for it; may be called again
}

// work runs a worker until the test ends.
func work(tb testing.TB, address string, o queue.Options, h handler) *runningWorker {
	tb.Helper()
	w := &runningWorker{log: &logged{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	w.Worker = queue.NewWorker(o, New(address, log), h, log)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	w.stop = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(func() {
		w.stop()
		if tb.Failed() {
			tb.Logf("the worker: %+v\n%s", w.Status(), strings.Join(w.log.about(""), ""))
		}
	})
	return w
}

// put puts jobs and waits for the answers.
func put(tb testing.TB, address string, bodies ...string) {
	tb.Helper()
	c := NewClient(address)
	defer func() { _ = c.Close() }()
	for _, body := range bodies {
		if _, err := c.Put(tb.Context(), queue.PutRequest{Queue: "default", Body: []byte(body), Priority: queue.DefaultPriority}); err != nil {
			tb.Fatalf("Put(%.40q) = %v, want nil", body, err)
		}
	}
}

// counts counts the jobs of the tube default.
func counts(tb testing.TB, address string) queue.Counts {
	tb.Helper()
	c := NewClient(address)
	defer func() { _ = c.Close() }()
	n, err := c.Counts(tb.Context(), "default")
	if err != nil {
		tb.Fatalf("Counts = %v, want nil", err)
	}
	return n
}
