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

// fill puts n jobs, many on the way at once.
func fill(b *testing.B, address string, n int) {
	b.Helper()
	c, err := beanstalk.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const producers = 16
	failed := make(chan error, producers)
	body := []byte(`{"job":"AddPrize","data":{"prize":{"name":"Mug of porcelain","sponsor":"Acme and Sons of London"}}}`)
	for p := range producers {
		go func() {
			for i := p; i < n; i += producers {
				if _, err := c.Put(body, queue.DefaultPriority, 0, time.Minute); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range producers {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
}

// single reserves and deletes n jobs one after the other, as the library's users do, and returns how many a second.
func single(b *testing.B, address string, n int) float64 {
	b.Helper()
	c, err := beanstalk.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	for range n {
		id, _, err := c.Reserve(time.Second)
		if err == nil {
			err = c.Delete(id)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// Jobs of 100 bytes through reserve, an empty handler and delete; x-bare is how many times as fast that is as a loop
// that reserves and deletes with the bare library, on the same machine in the same run.
func BenchmarkWorker(b *testing.B) {
	s := beanstalkd.Start(b, beanstalkd.Options{})
	n := max(b.N, 1000) // so that the start does not count
	fill(b, s.Address, n)
	alone := single(b, s.Address, n)
	fill(b, s.Address, n)
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
