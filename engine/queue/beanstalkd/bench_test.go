package beanstalkd

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
)

// Jobs of 100 bytes through reserve, an empty handler and delete; x-bare is how many times as fast that is as a loop
// that reserves and deletes with the bare library, on the same machine in the same run.
func BenchmarkWorker(b *testing.B) {
	s := beanstalkd.Start(b, beanstalkd.Options{})
	n := max(b.N, 1000) // so that the start does not count
	s.Fill(b, n)
	alone := s.Loop(b, n)
	s.Fill(b, n)
	done := make(chan struct{})
	var handled atomic.Int64
	b.ResetTimer()
	began := time.Now()
	w := work(b, s.Address, options(), func(_ context.Context, _ queue.Job, ended func(error)) {
		ended(nil)
		if handled.Add(1) == int64(n) {
			close(done)
		}
	})
	<-done
	await(b, "the last delete", func() bool { return w.Status().Done == uint64(n) })
	rate := float64(n) / time.Since(began).Seconds()
	b.StopTimer()
	w.stop()
	b.ReportMetric(rate, "jobs/s")
	b.ReportMetric(alone, "bare-jobs/s")
	b.ReportMetric(rate/alone, "x-bare")
	c, err := beanstalk.Dial("tcp", s.Address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Reserve(0); !errors.Is(err, beanstalk.ErrTimeout) {
		b.Errorf("Reserve after all jobs = %v, want %v", err, beanstalk.ErrTimeout)
	}
}
