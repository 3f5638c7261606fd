package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

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
			o.Ran = append(o.Ran, queue.Fingerprint{ID: id + 1})
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

// A job that runs while its connection is lost is touched on the next one, though the last touch was never answered; and a touch
// that ends the connection is one that is lost.
func TestTouchesAfterACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var touches atomic.Int64
		d := &strange{Queue: q, touch: func(_ uint64, answer func(error)) {
			switch touches.Add(1) {
			case 1: // no answer
			case 2:
				answer(errCut)
			default:
				answer(nil)
			}
		}}
		r := start(t, q, options(), d, func(_ context.Context, _ queue.Job, done func(error)) {
			time.AfterFunc(10*time.Second, func() { done(nil) })
		})
		put(t, q, "Slow")
		pass(2 * time.Second)
		d.cut()
		pass(7 * time.Second)
		if n := touches.Load(); n < 6 {
			t.Errorf("%d touches in 9 s, of which the first was not answered, want more on the later connections", n)
		}
		if s := r.Status(); s.Lost != 2 {
			t.Errorf("Status = %+v, want 2 connections lost: the one that was cut, and the one that a touch found lost", s)
		}
		pass(5 * time.Second)
		r.stop()
		if s := r.Status(); s.Done != 1 {
			t.Errorf("Status = %+v, want the job done", s)
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

// Why there is no connection is told in a few words, without addresses.
func TestShortReasons(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection refused"},
		{fmt.Errorf("dial: %w", &net.DNSError{Err: "no such host", Name: "queue.test"}), "no such host"},
		{fmt.Errorf("reading: %w", io.EOF), "connection closed"},
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), "connection closed"},
		{fmt.Errorf("reading: %w", os.ErrDeadlineExceeded), "no answer"},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), "no answer"},
		{errCut, "not connected"},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := memory.New(loop.RealClock{})
			r := start(t, q, options(), &strange{Queue: q, open: func() error { return row.err }}, new(runs).succeed)
			pass(time.Second)
			if got := r.Status().Short; got != row.want {
				t.Errorf("Short of %v = %q, want %q", row.err, got, row.want)
			}
			r.stop()
		})
	}
}
