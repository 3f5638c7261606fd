package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	server "perigee/engine/enginetest/redis"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// fill puts n jobs as Laravel does.
func fill(b *testing.B, s *server.Server, n int) {
	b.Helper()
	c, err := s.Dial()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		if err := c.Send("RPUSH", base, payload(fmt.Sprint("id-", i), 0)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := c.Do(""); err != nil { // the answers to all
		b.Fatal(err)
	}
}

// Jobs of Laravel through reserve, an empty handler and delete. x-bare is how many times as fast that is as a loop of the same client and
// the same scripts, which reserves and deletes one job after the other, and x-pop as a loop that only takes jobs from the list.
func BenchmarkWorker(b *testing.B) {
	s := server.Start(b, server.Options{})
	n := max(b.N, 1000)
	rate := func(work func()) float64 {
		fill(b, s, n)
		began := time.Now()
		work()
		return float64(n) / time.Since(began).Seconds()
	}
	c, err := dial(b.Context(), settings(s), "default")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	bare := rate(func() {
		for range n {
			jobs, _, err := c.reserve(1)
			if err == nil {
				_, err = c.call(c.scripts.delete, jobs[0].member)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	pop := rate(func() {
		for range n {
			if _, err := c.Do("LPOP", base); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ResetTimer()
	worked := rate(func() {
		o := queue.Options{
			Name: "default", Service: "redis", TTR: time.Minute, Window: 64, MaxAttempts: 5, HandlerTimeout: time.Minute,
			Drain: func() time.Duration { return time.Second },
		}
		log := slog.New(slog.DiscardHandler)
		w := queue.NewWorker(o, New(settings(s), log), succeed{}, log)
		ctx, cancel := context.WithCancel(b.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		testkit.WaitFor(b, "the last delete", func() bool { return w.Status().Done == uint64(n) })
		cancel()
		running.Wait()
	})
	b.StopTimer()
	b.ReportMetric(worked, "jobs/s")
	b.ReportMetric(worked/bare, "x-bare")
	b.ReportMetric(worked/pop, "x-pop")
	if got := do(b, s, "DBSIZE"); got != "0" {
		b.Errorf("DBSIZE after all jobs = %s, want 0", got)
	}
}

// succeed is a handler that succeeds at once.
type succeed struct{}

func (succeed) Job(_ context.Context, _ queue.Job, done func(error)) { done(nil) }
