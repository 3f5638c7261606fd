package queue_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// flakyDriver is a driver whose connections can be cut, which loses the answers to the last deletes.
type flakyDriver struct {
	*memory.Queue
	mu      sync.Mutex
	sources []*flakySource
	absent  bool  // Open fails
	loses   bool  // deletes are lost with the connection
	dies    bool  // jobs are not given back, as if the process had crashed
	refuses error // answer to Release
}

type flakySource struct {
	queue.StatsSource
	m       *flakyDriver
	mu      sync.Mutex
	pending []func(error)
}

var errCut = errors.New("the cable is cut")

func (m *flakyDriver) Open(ctx context.Context, name string) (queue.Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent {
		return nil, errCut
	}
	s, err := m.Queue.Open(ctx, name)
	source := &flakySource{StatsSource: s.(queue.StatsSource), m: m}
	m.sources = append(m.sources, source)
	return source, err
}

// Delete is lost if m.loses.
func (s *flakySource) Delete(id uint64, answer func(error)) {
	s.m.mu.Lock()
	loses := s.m.loses
	s.m.mu.Unlock()
	if !loses {
		s.StatsSource.Delete(id, answer)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, answer)
}

// GiveBack has no effect if m.dies.
func (s *flakySource) GiveBack(id uint64, priority uint32, answer func(error)) {
	if s.m.dies {
		answer(errCut)
		return
	}
	s.StatsSource.GiveBack(id, priority, answer)
}

// Release buries the job if m.refuses is set.
func (s *flakySource) Release(id uint64, priority uint32, delay time.Duration, answer func(error)) {
	if s.m.refuses == nil {
		s.StatsSource.Release(id, priority, delay, answer)
		return
	}
	s.Bury(id, priority, "", func(error) { answer(s.m.refuses) })
}

// cut cuts the connection.
func (s *flakySource) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, answer := range s.pending {
		answer(errCut)
	}
	s.pending = nil
}

// A job that ran and whose delete was lost with the connection is deleted without running when it is delivered again; another job
// is run.
func TestUnconfirmedDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, loses: true}
		runs := map[string]int{}
		r := start(t, q, options(), m, func(_ context.Context, j queue.Job, done func(error)) {
			runs[j.Command]++
			done(nil)
		})
		put(t, q, "Once")
		pass(time.Second)
		m.mu.Lock()
		m.loses = false
		m.mu.Unlock()
		m.sources[0].cut()
		pass(5 * time.Second)
		if s := r.Status(); s.Held != 0 {
			t.Errorf("Status = %+v, want nothing held", s)
		}
		put(t, q, "Later")
		pass(time.Second)
		r.stop()
		if runs["Once"] != 1 || runs["Later"] != 1 {
			t.Errorf("the job ran %d times, and a later one %d times, want each once", runs["Once"], runs["Later"])
		}
		if s := r.Status(); s.Redelivered != 1 || s.ConnectionsLost != 1 {
			t.Errorf("Status = %+v, want 1 redelivered and 1 connection lost", s)
		}
		if n := counts(t, q); n != (queue.Counts{}) {
			t.Errorf("Counts = %+v, want none left", n)
		}
	})
}

// A job that an earlier worker ran, and whose delete was not confirmed, is deleted without running when it is delivered again;
// another job with the same ID and body is run.
func TestAppliedByEarlierWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, loses: true}
		var ran []queue.Fingerprint
		first := start(t, q, options(), m, func(_ context.Context, j queue.Job, done func(error)) {
			ran = append(ran, j.Fingerprint)
			done(nil)
		})
		put(t, q, "Once")
		pass(10 * time.Second)
		m.sources[0].cut()
		first.stop()
		if len(ran) != 1 || counts(t, q).Ready != 1 {
			t.Fatalf("the first worker ran %+v and left %+v, want one job that is ready again", ran, counts(t, q))
		}
		other := memory.New(loop.RealClock{}) // which assigns the same ID to its first job
		put(t, other, "Once")
		for _, row := range []struct {
			q         *memory.Queue
			runs      int
			forgotten int
		}{{q, 0, 1}, {other, 1, 2}} {
			var forgotten []uint64
			runs := 0
			o := options()
			o.Applied, o.Forgotten = ran, func(id uint64) { forgotten = append(forgotten, id) }
			r := start(t, row.q, o, nil, func(_ context.Context, _ queue.Job, done func(error)) {
				runs++
				done(nil)
			})
			pass(time.Second)
			r.stop()
			if n := counts(t, row.q); runs != row.runs || len(forgotten) != row.forgotten || n != (queue.Counts{}) {
				t.Errorf("the second worker ran %d jobs, forgot %v and left %+v, want %d, %d and none", runs, forgotten, n, row.runs, row.forgotten)
			}
		}
	})
}

// A job that still runs when its connection is lost continues, and is not begun again when it is delivered again.
func TestRunningWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, loses: true}
		runs := map[string]int{}
		r := start(t, q, options(), m, func(_ context.Context, j queue.Job, done func(error)) {
			if runs[j.Command]++; j.Command == "Slow" {
				time.AfterFunc(10*time.Second, func() { done(nil) })
				return
			}
			done(nil)
		})
		put(t, q, "Slow", "Quick")
		pass(3 * time.Second)
		m.mu.Lock()
		m.loses = false
		m.mu.Unlock()
		m.sources[0].cut()
		pass(20 * time.Second)
		r.stop()
		if runs["Slow"] != 1 || runs["Quick"] != 1 {
			t.Errorf("runs: got %v, want each once", runs)
		}
		if n := counts(t, q); n != (queue.Counts{}) {
			t.Errorf("Counts = %+v, want none left", n)
		}
	})
}

// An unreachable service is logged once, and once more when it is reached; attempts become rarer.
func TestAbsentService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, absent: true}
		r := start(t, q, options(), m, func(_ context.Context, _ queue.Job, done func(error)) { done(nil) })
		pass(time.Minute)
		if s := r.Status(); s.Connected || s.Reason != errCut.Error() {
			t.Errorf("Status = %+v, want not connected, because %v", s, errCut)
		}
		m.mu.Lock()
		m.absent = false
		m.mu.Unlock()
		pass(3 * time.Second)
		if s := r.Status(); !s.Connected || time.Since(s.Since) > 3*time.Second {
			t.Errorf("Status = %+v, want connected since then", s)
		}
		r.stop()
		if n := strings.Count(r.log.String(), "\n"); n != 2 {
			t.Errorf("log: got %d lines, want 2:\n%s", n, r.log)
		}
	})
}

// An optional service that is not reachable yet is no warning.
func TestOptionalService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &flakyDriver{Queue: q, absent: true}
		o := options()
		o.OptionalHint = "go without"
		r := start(t, q, o, m, func(_ context.Context, _ queue.Job, done func(error)) { done(nil) })
		pass(time.Minute)
		if log := r.log.String(); strings.Contains(log, "WARN") || strings.Count(log, "go without") != 1 {
			t.Errorf("log of an optional service: got %s, want the hint once, and no warning", log)
		}
		m.mu.Lock()
		m.absent = false
		m.mu.Unlock()
		pass(3 * time.Second)
		if s := r.Status(); !s.Connected {
			t.Errorf("Status = %+v, want connected", s)
		}
		r.stop()
	})
}

// earlySource is a source that answers every reserve at once, as beanstalkd does (DEADLINE_SOON) while a job is near its TTR.
type earlySource struct {
	queue.StatsSource
	asked *int
}

func (s earlySource) Reserve(_ time.Duration, answer func(queue.Job, error)) {
	*s.asked++
	answer(queue.Job{}, queue.ErrEmpty)
}

type earlyDriver struct {
	*memory.Queue
	asked int
}

func (d *earlyDriver) Open(ctx context.Context, name string) (queue.Source, error) {
	s, err := d.Queue.Open(ctx, name)
	return earlySource{s.(queue.StatsSource), &d.asked}, err
}

// A service that answers every reserve at once is not flooded with reserves.
func TestEarlyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &earlyDriver{Queue: memory.New(loop.RealClock{})}
		r := start(t, d.Queue, options(), d, func(_ context.Context, _ queue.Job, done func(error)) { done(nil) })
		pass(time.Second)
		r.stop()
		if d.asked > 110 {
			t.Errorf("in a second the service was asked for jobs %d times, want about 100", d.asked)
		}
	})
}
