package beanstalkd

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/testkit"
)

// dial connects with the library.
func (s *Server) dial(tb testing.TB) *beanstalk.Conn {
	tb.Helper()
	c, err := beanstalk.Dial(network(s.Address), s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Fill puts n jobs of 100 bytes, many concurrently.
func (s *Server) Fill(tb testing.TB, n int) {
	tb.Helper()
	c := s.dial(tb)
	defer func() { _ = c.Close() }()
	const producers = 16
	var producing sync.WaitGroup
	body := []byte(`{"job":"AddPrize","data":{"prize":{"name":"Mug of porcelain","sponsor":"Acme and Sons of London"}}}`)
	for p := range producers {
		producing.Go(func() {
			for i := p; i < n && !tb.Failed(); i += producers {
				if _, err := c.Put(body, 1024, 0, time.Minute); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	producing.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
}

// reserveLoop reserves and deletes n jobs one after the other, as users of the library do, and returns the jobs per second.
func (s *Server) reserveLoop(tb testing.TB, n int) (rate float64) {
	tb.Helper()
	c := s.dial(tb)
	defer func() { _ = c.Close() }()
	began := time.Now()
	for range n {
		id, _, err := c.Reserve(time.Second)
		if err == nil {
			err = c.Delete(id)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// WaitEmpty waits until no job is ready or reserved.
func (s *Server) WaitEmpty(tb testing.TB) {
	tb.Helper()
	c := s.dial(tb)
	defer func() { _ = c.Close() }()
	testkit.WaitForNone(tb, "jobs in the queue", func() (int, error) {
		stats, err := c.Tube.Stats()
		if err != nil {
			tb.Fatal(err)
		}
		ready, errReady := strconv.Atoi(stats["current-jobs-ready"])
		reserved, errReserved := strconv.Atoi(stats["current-jobs-reserved"])
		return ready + reserved, errors.Join(errReady, errReserved)
	})
}

// Benchmark measures how fast work empties the queue of the benchmark's jobs, at least a thousand. It reports the jobs per second,
// and x-bare: how many times as fast that is as reserveLoop on the same machine in the same run.
func (s *Server) Benchmark(b *testing.B, work func(n int)) {
	b.Helper()
	n := max(b.N, 1000)
	s.Fill(b, n)
	bare := s.reserveLoop(b, n)
	s.Fill(b, n)
	b.ResetTimer()
	began := time.Now()
	work(n)
	rate := float64(n) / time.Since(began).Seconds()
	b.StopTimer()
	b.ReportMetric(rate, "jobs/s")
	b.ReportMetric(bare, "bare-jobs/s")
	b.ReportMetric(rate/bare, "x-bare")
}
