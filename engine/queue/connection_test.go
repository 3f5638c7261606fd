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

// Jobs that have not begun when their connection is lost are run once each when they are delivered again.
func TestWaitingWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &stubDriver{Queue: q}
		var ran runs
		r := start(t, q, options(), d, func(ctx context.Context, j queue.Job, done func(error)) {
			if j.Command == "Blocks" {
				time.Sleep(3 * time.Second)
			}
			ran.succeed(ctx, j, done)
		})
		endProbation(t, r)
		put(t, q, "Blocks", "A", "B", "C")
		pass(time.Second)
		if n := counts(t, q); n.Reserved != 4 {
			t.Fatalf("Counts = %+v, want 4 reserved", n)
		}
		d.cut()
		pass(time.Second)
		if s := r.Status(); s.ConnectionsLost != 1 {
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

// A job that fails after its connection was lost is run again when it is delivered again.
func TestFailedWhileCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var absent atomic.Bool
		d := &stubDriver{Queue: q, open: func() error {
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
			t.Errorf("Status while the service is unreachable = %+v, want not connected and nothing held", s)
		}
		absent.Store(false)
		pass(10 * time.Second)
		r.stop()
		if s := r.Status(); ran != 2 || s.Done != 1 || s.Redelivered != 0 {
			t.Errorf("the job ran %d times, Status = %+v, want it run again and done", ran, s)
		}
		if log := r.log.String(); strings.Count(log, "connection lost") != 1 {
			t.Errorf("log: got %s, want one line that the connection was lost", log)
		}
	})
}

// Jobs that ran and whose deletion is not confirmed take no room in the window, and are forgotten after ten minutes.
func TestUnconfirmedJobsLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var silent atomic.Bool
		var pending []func(error)
		d := &stubDriver{Queue: q, del: func(s queue.Source, id uint64, answer func(error)) {
			if silent.Load() {
				pending = append(pending, answer)
				answer = func(error) {}
			}
			s.Delete(id, answer)
		}}
		var ran runs
		var forgotten atomic.Int64
		o := options()
		o.Forgotten = func(uint64) { forgotten.Add(1) }
		r := start(t, q, o, d, ran.succeed)
		endProbation(t, r)
		silent.Store(true)
		for range o.Window {
			put(t, q, "Unconfirmed")
		}
		pass(time.Second)
		silent.Store(false)
		d.cut()
		for _, answer := range pending {
			answer(errCut)
		}
		pass(2 * time.Second)
		put(t, q, "Next")
		pass(time.Second)
		if unconfirmed, next := ran.of("Unconfirmed"), ran.of("Next"); unconfirmed != o.Window || next != 1 {
			t.Errorf("%d jobs ran whose deletes were not answered, and %d of the next one, want %d and 1", unconfirmed, next, o.Window)
		}
		const confirmed = 64 + 1 // the first ones and the next one
		if n := forgotten.Load(); n != confirmed {
			t.Errorf("%d jobs were forgotten, want %d: none that is unconfirmed", n, confirmed)
		}
		pass(11 * time.Minute)
		r.stop()
		if n := forgotten.Load(); n != int64(confirmed+o.Window) {
			t.Errorf("after ten minutes %d jobs were forgotten, want all %d", n, confirmed+o.Window)
		}
	})
}

// Of the jobs that an earlier worker ran the latest 4096 are kept.
func TestTooManyUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var forgotten []uint64
		o := options()
		o.Forgotten = func(id uint64) { forgotten = append(forgotten, id) }
		for id := range uint64(4100) {
			o.Applied = append(o.Applied, queue.Fingerprint{ID: id + 1})
		}
		start(t, memory.New(loop.RealClock{}), o, nil, new(runs).succeed).stop()
		if want := []uint64{1, 2, 3, 4}; !slices.Equal(forgotten, want) {
			t.Errorf("forgotten: %v, want %v", forgotten, want)
		}
	})
}

// If the stats of a job cannot be read, the job is not begun, does not hold others, and is delivered again.
func TestStatsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var well atomic.Bool
		d := &stubDriver{Queue: q, stats: func(s queue.StatsSource, id uint64, answer func(queue.Stats, error)) {
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
		if log := r.log.String(); !strings.Contains(log, `doing="reading its stats"`) {
			t.Errorf("log: got %s, want it to say that the stats cannot be read", log)
		}
	})
}

// A job that runs while its connection is lost is touched on the next one, though the last touch was not answered. A touch that
// fails ends its connection, too.
func TestTouchesAfterCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		var touches atomic.Int64
		d := &stubDriver{Queue: q, touch: func(_ uint64, answer func(error)) {
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
		if s := r.Status(); s.ConnectionsLost != 2 {
			t.Errorf("Status = %+v, want 2 connections lost: the one that was cut, and the one whose touch failed", s)
		}
		pass(5 * time.Second)
		r.stop()
		if s := r.Status(); s.Done != 1 {
			t.Errorf("Status = %+v, want the job done", s)
		}
	})
}

// A connection that opens when the worker is stopping is closed.
func TestOpenDuringStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		gate := make(chan struct{})
		d := &stubDriver{Queue: q, open: func() error { <-gate; return nil }}
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
			t.Errorf("%d connections were closed, want the one that opened too late", n)
		}
	})
}

// While the service is unreachable, attempts to connect become rarer, up to one every second or two.
func TestReconnectDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		tries := 0
		d := &stubDriver{Queue: q, open: func() error { tries++; return errCut }}
		r := start(t, q, options(), d, new(runs).succeed)
		pass(time.Minute)
		r.stop()
		if tries < 30 || tries > 70 {
			t.Errorf("%d attempts to connect in a minute, want 30 to 70", tries)
		}
	})
}

// A connection that is lost again and again is logged at most once a second, and the last line has the final state.
func TestUnstableConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		d := &stubDriver{Queue: q}
		r := start(t, q, options(), d, new(runs).succeed)
		for range 50 {
			pass(200 * time.Millisecond)
			if r.Status().Connected {
				d.cut()
			}
		}
		pass(10 * time.Second)
		if s := r.Status(); !s.Connected || s.ConnectionsLost < 20 {
			t.Fatalf("Status = %+v, want a connection, after many lost ones", s)
		}
		r.stop()
		lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
		if len(lines) > 13 || !strings.Contains(lines[len(lines)-1], "queue: connected") {
			t.Errorf("log of an unstable connection in 10 s: %d lines, want 13 at most, and the last that it is connected:\n%s", len(lines), r.log)
		}
	})
}

// The summary of why there is no connection is a few words without addresses.
func TestSummary(t *testing.T) {
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
			r := start(t, q, options(), &stubDriver{Queue: q, open: func() error { return row.err }}, new(runs).succeed)
			pass(time.Second)
			if got := r.Status().Summary; got != row.want {
				t.Errorf("Summary of %v = %q, want %q", row.err, got, row.want)
			}
			r.stop()
		})
	}
}
