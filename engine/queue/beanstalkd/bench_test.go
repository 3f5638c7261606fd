package beanstalkd

import (
	"context"
	"testing"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// Jobs of 100 bytes through reserve, an empty handler and delete.
func BenchmarkWorker(b *testing.B) {
	s := beanstalkd.Start(b, beanstalkd.Options{})
	s.Benchmark(b, func(n int) {
		w := work(b, s.Address, options(), func(_ context.Context, _ queue.Job, done func(error)) { done(nil) })
		testkit.WaitFor(b, "the last delete", func() bool { return w.Status().Done == uint64(n) })
	})
	if n := counts(b, s.Address); n != (queue.Counts{Waiting: 1}) {
		b.Errorf("Counts after all jobs = %+v, want none but the worker that waits", n)
	}
}
