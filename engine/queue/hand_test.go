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

// moody is a driver whose connections end when they are told to, with the answers of the last deletes lost.
type moody struct {
	*memory.Queue
	mu      sync.Mutex
	sources []*moodySource
	absent  bool  // Open fails
	forgets bool  // deletes are done, but not answered
	dies    bool  // nothing is given back: to the service, the process has died
	refuses error // what a Release is answered with
}

type moodySource struct {
	queue.Source
	m      *moody
	mu     sync.Mutex
	unsaid []func(error)
}

var errCut = errors.New("the cable is cut")

func (m *moody) Open(ctx context.Context, name string) (queue.Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent {
		return nil, errCut
	}
	s, err := m.Queue.Open(ctx, name)
	source := &moodySource{Source: s, m: m}
	m.sources = append(m.sources, source)
	return source, err
}

// Delete is lost on the way there where m forgets.
func (s *moodySource) Delete(id uint64, answer func(error)) {
	s.m.mu.Lock()
	forgets := s.m.forgets
	s.m.mu.Unlock()
	if !forgets {
		s.Source.Delete(id, answer)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaid = append(s.unsaid, answer)
}

// GiveBack comes to nothing where m dies.
func (s *moodySource) GiveBack(id uint64, priority uint32, answer func(error)) {
	if s.m.dies {
		answer(errCut)
		return
	}
	s.Source.GiveBack(id, priority, answer)
}

// Release buries a job where m refuses.
func (s *moodySource) Release(id uint64, priority uint32, delay time.Duration, answer func(error)) {
	if s.m.refuses == nil {
		s.Source.Release(id, priority, delay, answer)
		return
	}
	s.Bury(id, priority, func(error) { answer(s.m.refuses) })
}

// cut ends the connection.
func (s *moodySource) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, answer := range s.unsaid {
		answer(errCut)
	}
	s.unsaid = nil
}

// A job that ran and whose delete was lost with the connection is deleted and not run when it comes again; another job that
// has its number is run.
func TestUnconfirmedDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &moody{Queue: q, forgets: true}
		runs := map[string]int{}
		r := start(t, q, options(), m, func(_ context.Context, j queue.Job, done func(error)) {
			runs[j.Command]++
			done(nil)
		})
		put(t, q, "Once")
		pass(time.Second)
		m.mu.Lock()
		m.forgets = false
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
		if s := r.Status(); s.Repeated != 1 || s.Lost != 1 {
			t.Errorf("Status = %+v, want 1 repeated and 1 connection lost", s)
		}
		if n := counts(t, q); n != (queue.Counts{}) {
			t.Errorf("Counts = %+v, want none left", n)
		}
	})
}

// A job that ran for an earlier worker, which ended before the delete was confirmed, is deleted and not run when it comes
// again; another job that has its number and its text is run.
func TestRanForAnEarlierWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &moody{Queue: q, forgets: true}
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
		other := memory.New(loop.RealClock{}) // where the first job gets the same number
		put(t, other, "Once")
		for _, row := range []struct {
			q    *memory.Queue
			runs int
			gone int
		}{{q, 0, 1}, {other, 1, 2}} {
			var gone []uint64
			runs := 0
			o := options()
			o.Ran, o.Gone = ran, func(id uint64) { gone = append(gone, id) }
			r := start(t, row.q, o, nil, func(_ context.Context, _ queue.Job, done func(error)) {
				runs++
				done(nil)
			})
			pass(time.Second)
			r.stop()
			if n := counts(t, row.q); runs != row.runs || len(gone) != row.gone || n != (queue.Counts{}) {
				t.Errorf("the second worker ran %d jobs, let go of %v and left %+v, want %d, %d and none", runs, gone, n, row.runs, row.gone)
			}
		}
	})
}

// A job that still runs when its connection is lost goes on, and is not begun again when it comes again.
func TestRunningWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &moody{Queue: q, forgets: true}
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
		m.forgets = false
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

// A service that cannot be reached is logged once, and once when it can; tries become rarer.
func TestAbsentService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &moody{Queue: q, absent: true}
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

// A service that nobody has asked for and that is not there is no warning, but one that goes away is.
func TestUnaskedService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		m := &moody{Queue: q, absent: true}
		o := options()
		o.Unasked = "go without"
		r := start(t, q, o, m, func(_ context.Context, _ queue.Job, done func(error)) { done(nil) })
		pass(time.Minute)
		if log := r.log.String(); strings.Contains(log, "WARN") || strings.Count(log, "go without") != 1 {
			t.Errorf("log of a service that nobody asked for: got %s, want the hint once, and no warning", log)
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

// hasty is a source that has something better to do than to wait, as beanstalkd when a job is about to be given to others.
type hasty struct {
	queue.Source
	asked *int
}

func (h hasty) Reserve(_ time.Duration, answer func(queue.Reserved, error)) {
	*h.asked++
	answer(queue.Reserved{}, queue.ErrEmpty)
}

type hastyDriver struct {
	*memory.Queue
	asked int
}

func (d *hastyDriver) Open(ctx context.Context, name string) (queue.Source, error) {
	s, err := d.Queue.Open(ctx, name)
	return hasty{s, &d.asked}, err
}

// A service that does not let the worker wait is not asked without end.
func TestHastyService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &hastyDriver{Queue: memory.New(loop.RealClock{})}
		r := start(t, d.Queue, options(), d, func(_ context.Context, _ queue.Job, done func(error)) { done(nil) })
		pass(time.Second)
		r.stop()
		if d.asked > 110 {
			t.Errorf("in a second the service was asked for jobs %d times, want about 100", d.asked)
		}
	})
}
