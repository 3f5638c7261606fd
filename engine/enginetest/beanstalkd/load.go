package beanstalkd

import (
	"testing"
	"time"

	"github.com/beanstalkd/go-beanstalk"
)

// dial connects with the bare library.
func (s *Server) dial(tb testing.TB) *beanstalk.Conn {
	tb.Helper()
	c, err := beanstalk.Dial(network(s.Address), s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Fill puts n jobs of 100 bytes, many on the way at once.
func (s *Server) Fill(tb testing.TB, n int) {
	tb.Helper()
	c := s.dial(tb)
	defer func() { _ = c.Close() }()
	const producers = 16
	failed := make(chan error, producers)
	body := []byte(`{"job":"AddPrize","data":{"prize":{"name":"Mug of porcelain","sponsor":"Acme and Sons of London"}}}`)
	for p := range producers {
		go func() {
			for i := p; i < n; i += producers {
				if _, err := c.Put(body, 1024, 0, time.Minute); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range producers {
		if err := <-failed; err != nil {
			tb.Fatal(err)
		}
	}
}

// Loop reserves and deletes n jobs one after the other, as users of the library do, and returns how many a second.
func (s *Server) Loop(tb testing.TB, n int) (rate float64) {
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

// Empty waits until there is no job any more.
func (s *Server) Empty(tb testing.TB) {
	tb.Helper()
	c := s.dial(tb)
	defer func() { _ = c.Close() }()
	give := time.After(4 * patience)
	for {
		stats, err := c.Tube.Stats()
		if err != nil {
			tb.Fatal(err)
		}
		if stats["current-jobs-ready"] == "0" && stats["current-jobs-reserved"] == "0" {
			return
		}
		select {
		case <-give:
			tb.Fatalf("there are still jobs: %v", stats)
		case <-time.After(time.Millisecond):
		}
	}
}

// Race has work empty the queue of the benchmark's jobs, at least a thousand of them, so that the start does not count. It
// reports how many a second that were, and x-bare: how many times as fast that is as Loop on the same machine in the same run.
func (s *Server) Race(b *testing.B, work func(n int)) {
	b.Helper()
	n := max(b.N, 1000)
	s.Fill(b, n)
	alone := s.Loop(b, n)
	s.Fill(b, n)
	b.ResetTimer()
	began := time.Now()
	work(n)
	rate := float64(n) / time.Since(began).Seconds()
	b.StopTimer()
	b.ReportMetric(rate, "jobs/s")
	b.ReportMetric(alone, "bare-jobs/s")
	b.ReportMetric(rate/alone, "x-bare")
}
