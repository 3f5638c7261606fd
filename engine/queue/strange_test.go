package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// strange is a driver whose sources do what a test says instead of what sources do; nil is as usual.
type strange struct {
	*memory.Queue
	open   func() error
	touch  func(id uint64, answer func(error))
	del    func(s queue.Source, id uint64, answer func(error))
	back   func(answer func(error))
	stats  func(s queue.Source, id uint64, answer func(queue.Stats, error))
	buried func(answer func(int, error))

	last   atomic.Pointer[strangeSource] // that was opened
	closed atomic.Int64                  // sources
}

type strangeSource struct {
	queue.Source
	d *strange

	mu   sync.Mutex
	lost bool                        // guarded by mu
	wait func(queue.Reserved, error) // guarded by mu; of the last Reserve that waits
}

func (d *strange) Open(ctx context.Context, name string) (queue.Source, error) {
	if d.open != nil {
		if err := d.open(); err != nil {
			return nil, err
		}
	}
	source, err := d.Queue.Open(ctx, name)
	s := &strangeSource{Source: source, d: d}
	d.last.Store(s)
	return s, err
}

// cut ends the connection that was opened last.
func (d *strange) cut() {
	s := d.last.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
	if s.wait != nil {
		s.wait(queue.Reserved{}, errCut)
	}
}

func (s *strangeSource) Reserve(wait time.Duration, answer func(queue.Reserved, error)) {
	var once sync.Once
	said := func(r queue.Reserved, err error) { once.Do(func() { answer(r, err) }) }
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		said(queue.Reserved{}, errCut)
		return
	}
	s.wait = said
	s.Source.Reserve(wait, said)
}

func (s *strangeSource) Touch(id uint64, answer func(error)) {
	if s.d.touch == nil {
		s.Source.Touch(id, answer)
		return
	}
	s.d.touch(id, answer)
}

func (s *strangeSource) Delete(id uint64, answer func(error)) {
	if s.d.del == nil {
		s.Source.Delete(id, answer)
		return
	}
	s.d.del(s.Source, id, answer)
}

func (s *strangeSource) GiveBack(id uint64, priority uint32, answer func(error)) {
	if s.d.back == nil {
		s.Source.GiveBack(id, priority, answer)
		return
	}
	s.d.back(answer)
}

func (s *strangeSource) Stats(id uint64, answer func(queue.Stats, error)) {
	if s.d.stats == nil {
		s.Source.Stats(id, answer)
		return
	}
	s.d.stats(s.Source, id, answer)
}

func (s *strangeSource) Buried(answer func(int, error)) {
	if s.d.buried == nil {
		s.Source.Buried(answer)
		return
	}
	s.d.buried(answer)
}

func (s *strangeSource) Close() {
	s.d.closed.Add(1)
	s.Source.Close()
}

// runs counts jobs by their command.
type runs struct {
	mu sync.Mutex
	by map[string]int // guarded by mu
}

// succeed has every job done at once.
func (r *runs) succeed(_ context.Context, j queue.Job, done func(error)) {
	r.mu.Lock()
	if r.by == nil {
		r.by = map[string]int{}
	}
	r.by[j.Command]++
	r.mu.Unlock()
	done(nil)
}

func (r *runs) of(command string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[command]
}

// Jobs that wait to be begun when their connection is lost are begun when they come again, once each.
func TestWaitingWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &strange{Queue: q}
		var ran runs
		r := start(t, q, options(), d, func(ctx context.Context, j queue.Job, done func(error)) {
			if j.Command == "Blocks" {
				time.Sleep(3 * time.Second)
			}
			ran.succeed(ctx, j, done)
		})
		warm(t, r)
		put(t, q, "Blocks", "A", "B", "C")
		pass(time.Second)
		if n := counts(t, q); n.Reserved != 4 {
			t.Fatalf("Counts = %+v, want 4 reserved", n)
		}
		d.cut()
		pass(time.Second)
		if s := r.Status(); s.Lost != 1 {
			t.Errorf("Status = %+v, want 1 connection lost", s)
		}
		pass(20 * time.Second)
		put(t, q, "Later")
		pass(time.Second)
		r.stop()
		for _, command := range []string{"Blocks", "A", "B", "C", "Later"} {
			if n := ran.of(command); n != 1 {
				t.Errorf("job %s ran %d times, want once", command, n)
			}
		}
		if n := counts(t, q); n != (queue.Counts{}) {
			t.Errorf("Counts = %+v, want none left", n)
		}
	})
}

// A job that fails when its connection is lost already is run again when it comes again.
func TestFailedWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var absent atomic.Bool
		d := &strange{Queue: q, open: func() error {
			if absent.Load() {
				return errCut
			}
			return nil
		}}
		ran := 0
		r := start(t, q, options(), d, func(_ context.Context, _ queue.Job, done func(error)) {
			if ran++; ran > 1 {
				done(nil)
				return
			}
			time.AfterFunc(3*time.Second, func() { done(errors.New("it is broken")) })
		})
		put(t, q, "Fails first")
		pass(time.Second)
		absent.Store(true)
		d.cut()
		pass(10 * time.Second)
		if s := r.Status(); s.Connected || s.Reason != errCut.Error() || s.Held != 0 {
			t.Errorf("Status while the service is away = %+v, want not connected and nothing held", s)
		}
		absent.Store(false)
		pass(10 * time.Second)
		r.stop()
		if s := r.Status(); ran != 2 || s.Done != 1 || s.Repeated != 0 {
			t.Errorf("the job ran %d times, Status = %+v, want it run again and done", ran, s)
		}
		if log := r.log.String(); strings.Count(log, "the connection is lost") != 1 {
			t.Errorf("log: got %s, want one line that the connection is lost", log)
		}
	})
}

// Jobs that ran and were not confirmed take no room from others, and are forgotten after ten minutes.
func TestUnsureJobsLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var forgets atomic.Bool
		var unsaid []func(error)
		d := &strange{Queue: q, del: func(s queue.Source, id uint64, answer func(error)) {
			if forgets.Load() {
				unsaid = append(unsaid, answer)
				answer = func(error) {}
			}
			s.Delete(id, answer)
		}}
		var ran runs
		var gone atomic.Int64
		o := options()
		o.Gone = func(uint64) { gone.Add(1) }
		r := start(t, q, o, d, ran.succeed)
		warm(t, r)
		forgets.Store(true)
		for range o.Window {
			put(t, q, "Unsure")
		}
		pass(time.Second)
		forgets.Store(false)
		d.cut()
		for _, answer := range unsaid {
			answer(errCut)
		}
		pass(2 * time.Second)
		put(t, q, "Next")
		pass(time.Second)
		if unsure, next := ran.of("Unsure"), ran.of("Next"); unsure != o.Window || next != 1 {
			t.Errorf("%d jobs ran whose deletes were not answered, and %d of the next one, want %d and 1", unsure, next, o.Window)
		}
		const sure = 64 + 1 // the first ones and the next one
		if n := gone.Load(); n != sure {
			t.Errorf("%d jobs were let go of, want %d: none that is unsure", n, sure)
		}
		pass(11 * time.Minute)
		r.stop()
		if n := gone.Load(); n != int64(sure+o.Window) {
			t.Errorf("after ten minutes %d jobs were let go of, want all %d", n, sure+o.Window)
		}
	})
}

// Of jobs that ran for an earlier worker the latest 4096 are kept.
func TestTooManyUnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone []uint64
		o := options()
		o.Gone = func(id uint64) { gone = append(gone, id) }
		for id := range uint64(4100) {
			o.Ran = append(o.Ran, queue.Ran{ID: id + 1})
		}
		start(t, memory.New(loop.RealClock{}), o, nil, new(runs).succeed).stop()
		if want := []uint64{1, 2, 3, 4}; !slices.Equal(gone, want) {
			t.Errorf("let go of %v, want %v", gone, want)
		}
	})
}

// A job of which the service does not say whether it ran is not begun, keeps no other from it, and comes again.
func TestLookThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var well atomic.Bool
		d := &strange{Queue: q, stats: func(s queue.Source, id uint64, answer func(queue.Stats, error)) {
			if id == 1 && !well.Load() {
				answer(queue.Stats{}, queue.ErrNotFound)
				return
			}
			s.Stats(id, answer)
		}}
		var ran runs
		r := start(t, q, options(), d, ran.succeed)
		put(t, q, "First", "Next")
		pass(10 * time.Second)
		if s := r.Status(); ran.of("First") != 0 || ran.of("Next") != 1 || s.Held != 0 {
			t.Errorf("the first job ran %d times and the next %d times, Status = %+v, want the next one alone, and nothing held",
				ran.of("First"), ran.of("Next"), s)
		}
		well.Store(true)
		d.cut()
		pass(10 * time.Second)
		r.stop()
		if first, next := ran.of("First"), ran.of("Next"); first != 1 || next != 1 {
			t.Errorf("the first job ran %d times and the next %d times, want each once", first, next)
		}
		if log := r.log.String(); !strings.Contains(log, `doing="looking at it"`) {
			t.Errorf("log: got %s, want it to say that the job cannot be looked at", log)
		}
	})
}

// A job in hand is touched more often than each second, until its time is over; one touch at a time.
func TestTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			q := memory.New(loop.RealClock{})
			began := time.Now()
			var at []time.Duration
			d := &strange{Queue: q, touch: func(_ uint64, answer func(error)) {
				at = append(at, time.Since(began))
				if !silent {
					answer(nil)
				}
			}}
			o := options()
			o.HandlerTimeout = 3 * time.Second
			r := start(t, q, o, d, func(context.Context, queue.Job, func(error)) {})
			put(t, q, "Endless")
			pass(7 * time.Second)
			r.stop()
			if silent {
				if len(at) != 1 {
					t.Errorf("touched after %v where no touch is answered, want once", at)
				}
				continue
			}
			before := time.Duration(0)
			for _, touched := range at {
				if touched-before < 400*time.Millisecond || touched-before >= time.Second {
					t.Errorf("touched after %v, want pauses of 0.4 s to 1 s", at)
				}
				before = touched
			}
			if before < 2*time.Second || before > 3*time.Second+heartbeat {
				t.Errorf("touched after %v, want it up to the 3 s that the job has, and not longer", at)
			}
		}
	})
}

// A job that is somebody else's by now is not settled, and the log says so; so it is with one whose delete is refused.
func TestNotOurs(t *testing.T) {
	for _, row := range []struct {
		name, want    string
		touch, delete error
		deletes       int
	}{
		{"the touch finds none", "given to somebody else", queue.ErrNotFound, nil, 0},
		{"the touch is refused", `doing="touching it"`, queue.ErrRefused, nil, 1},
		{"the delete is refused", "could not be deleted", nil, queue.ErrRefused, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := memory.New(loop.RealClock{})
			deletes := 0
			d := &strange{
				Queue: q,
				touch: func(_ uint64, answer func(error)) { answer(row.touch) },
				del: func(s queue.Source, id uint64, answer func(error)) {
					if deletes++; row.delete != nil {
						answer(row.delete)
						return
					}
					s.Delete(id, answer)
				},
			}
			r := start(t, q, options(), d, func(_ context.Context, _ queue.Job, done func(error)) {
				time.AfterFunc(3*time.Second, func() { done(nil) })
			})
			put(t, q, "Slow")
			pass(10 * time.Second)
			s := r.Status()
			r.stop()
			if deletes != row.deletes || s.Held != 0 || !strings.Contains(r.log.String(), row.want) {
				t.Errorf("%s: %d deletes, Status = %+v, log:\n%s\nwant %d, nothing held, and %s", row.name, deletes, s, r.log, row.deletes, row.want)
			}
		})
	}
}

// A service that does not answer to what is given back keeps the end for a second only.
func TestStopOfASilentService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &strange{Queue: q, back: func(func(error)) {}}
		r := start(t, q, options(), d, func(context.Context, queue.Job, func(error)) {})
		put(t, q, "Endless", "Next")
		pass(500 * time.Millisecond)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > 6*time.Second+heartbeat {
			t.Errorf("the stop took %v, want the 5 s that jobs have and a second", took)
		}
	})
}

// A connection that comes when the worker has been told to end is closed.
func TestOpenedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		gate := make(chan struct{})
		d := &strange{Queue: q, open: func() error { <-gate; return nil }}
		r := start(t, q, options(), d, new(runs).succeed)
		pass(time.Second)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.stop()
		}()
		pass(time.Second)
		close(gate)
		<-ended
		if n := d.closed.Load(); n != 1 {
			t.Errorf("%d connections were closed, want the one that came too late", n)
		}
	})
}

// A service that is away is asked more and more rarely, up to each second or two.
func TestTriesBecomeRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		tries := 0
		d := &strange{Queue: q, open: func() error { tries++; return errCut }}
		r := start(t, q, options(), d, new(runs).succeed)
		pass(time.Minute)
		r.stop()
		if tries < 30 || tries > 70 {
			t.Errorf("a service that is away was asked %d times in a minute, want 30 to 70 times", tries)
		}
	})
}

// A service that comes and goes is told of once a second at most, and how it is in the end is told.
func TestServiceThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &strange{Queue: q}
		r := start(t, q, options(), d, new(runs).succeed)
		for range 50 {
			pass(200 * time.Millisecond)
			if r.Status().Connected {
				d.cut()
			}
		}
		pass(10 * time.Second)
		if s := r.Status(); !s.Connected || s.Lost < 20 {
			t.Fatalf("Status = %+v, want a connection, after many that were lost", s)
		}
		r.stop()
		lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
		if len(lines) > 13 || !strings.Contains(lines[len(lines)-1], "queue: connected") {
			t.Errorf("log of 10 s in which the service came and went: %d lines, want 13 at most, and the last that it is there:\n%s", len(lines), r.log)
		}
	})
}

// Many buried jobs are told of when they have become many, and are counted once a minute at most.
func TestManyBuried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		are := []int{1000, 1001, 1001, 1000, 1001, 1001}
		asked := 0
		d := &strange{Queue: q, buried: func(answer func(int, error)) {
			answer(are[min(asked, len(are)-1)], nil)
			asked++
		}}
		r := start(t, q, options(), d, func(_ context.Context, _ queue.Job, done func(error)) { done(queue.ErrNever) })
		for range 31 {
			put(t, q, "Hopeless")
			pass(10 * time.Second)
		}
		r.stop()
		if asked != 6 {
			t.Errorf("in 310 s the buried jobs were counted %d times, want 6", asked)
		}
		if n := strings.Count(r.log.String(), "many jobs are buried"); n != 2 {
			t.Errorf("the log says %d times that many jobs are buried, want twice:\n%s", n, r.log)
		}
	})
}

// Attempts are counted when jobs are not begun one by one any more too; a body may allow fewer of them.
func TestAttemptsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		attempts := map[string][]int{}
		r := start(t, q, options(), nil, func(_ context.Context, j queue.Job, done func(error)) {
			if j.Command == "warm" {
				done(nil)
				return
			}
			attempts[j.Command] = append(attempts[j.Command], j.Attempt)
			done(errors.New("it is broken"))
		})
		warm(t, r)
		put(t, q, "Broken", `{"job":"Hasty","maxTries":2}`)
		pass(time.Minute)
		r.stop()
		if got := fmt.Sprint(attempts["Broken"], attempts["Hasty"]); got != "[1 2 3 4 5] [1 2]" {
			t.Errorf("attempts: got %s, want [1 2 3 4 5] [1 2]", got)
		}
		if n := counts(t, q); n.Buried != 2 {
			t.Errorf("Counts = %+v, want 2 buried", n)
		}
	})
}

// However often a job has failed, it is tried again after five minutes at the latest, and not at once.
func TestDelaysHaveABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		o := options()
		o.MaxAttempts = 20
		var at []time.Time
		r := start(t, q, o, nil, func(_ context.Context, _ queue.Job, done func(error)) {
			at = append(at, time.Now())
			done(errors.New("it is broken"))
		})
		put(t, q, "Broken")
		pass(2 * time.Hour)
		r.stop()
		if len(at) != 20 {
			t.Fatalf("%d attempts, want 20", len(at))
		}
		for i := 10; i < len(at); i++ {
			if got := at[i].Sub(at[i-1]).Truncate(time.Second); got != 5*time.Minute {
				t.Errorf("attempt %d came %v after the one before it, want 5m", i+1, got)
			}
		}
	})
}

// No more jobs are in hand than the window says, whether they are begun one by one or not; and while one runs for long, others
// that come are taken.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []bool{true, false} {
			q := memory.New(loop.RealClock{})
			o := options()
			o.Window = 2
			r := start(t, q, o, nil, func(_ context.Context, j queue.Job, done func(error)) {
				if j.Command == "warm" {
					done(nil)
				}
			})
			if !first {
				warm(t, r)
			}
			put(t, q, "Endless")
			pass(2 * time.Second)
			put(t, q, "Endless", "Endless", "Endless")
			pass(10 * time.Second)
			if n := counts(t, q); n.Reserved != 2 || n.Ready != 2 {
				t.Errorf("Counts of 4 jobs without end (after a start: %t) = %+v, want 2 reserved", first, n)
			}
			r.stop()
		}
	})
}

// The last hundred failures are kept.
func TestFailuresHaveABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		r := start(t, q, options(), nil, func(_ context.Context, _ queue.Job, done func(error)) { done(queue.ErrNever) })
		for range 150 {
			put(t, q, "Hopeless")
		}
		pass(time.Minute)
		r.stop()
		failed := r.Failed()
		if len(failed) != 100 || failed[0].ID != 51 || failed[99].ID != 150 {
			t.Errorf("Failed has %d jobs, want the last 100 of 150", len(failed))
		}
	})
}
