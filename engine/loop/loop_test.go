package loop

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// start runs a loop for the duration of a test. stop ends it and waits for it.
func start(t *testing.T, options Options) (l *Loop, stop func()) {
	t.Helper()
	l = New(options)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	stop = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(stop)
	return l, stop
}

func post(t *testing.T, l *Loop, name string, run func()) {
	t.Helper()
	if err := l.Post(name, run); err != nil {
		t.Fatalf("Post(%q) = %v, want nil", name, err)
	}
}

// Turns of one goroutine run in the order in which they were posted.
func TestOrder(t *testing.T) {
	l, stop := start(t, Options{})
	var got []int
	for i := range 10_000 {
		post(t, l, "count", func() { got = append(got, i) })
	}
	stop()
	if len(got) != 10_000 || !slices.IsSorted(got) {
		t.Fatalf("Post of 10000 turns: got %d of them, sorted %v, want all, sorted", len(got), slices.IsSorted(got))
	}
}

// Post blocks while the queue is full, and no turn is lost.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{QueueSize: 2})
		gate := make(chan struct{})
		post(t, l, "gate", func() { <-gate })
		synctest.Wait()
		ran, posted := 0, 0
		go func() {
			for range 5 {
				_ = l.Post("count", func() { ran++ })
				posted++
			}
		}()
		synctest.Wait()
		if posted != 2 {
			t.Errorf("Post while the loop is busy: %d of 5 returned, want 2", posted)
		}
		close(gate)
		synctest.Wait()
		stop()
		if ran != 5 {
			t.Errorf("after the loop was free: %d turns ran, want 5", ran)
		}
	})
}

// PostWithin returns when its context ends while the queue is full, and its turn never runs. If the queue is not full, the
// context does not matter.
func TestPostWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{QueueSize: 1})
		gate := make(chan struct{})
		post(t, l, "gate", func() { <-gate })
		synctest.Wait()
		var ran []string
		late := errors.New("too late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		for _, c := range []struct {
			name string
			want error
		}{{"not full", nil}, {"full", late}, {"full and too late", late}} {
			if err := l.PostWithin(ctx, c.name, func() { ran = append(ran, c.name) }); !errors.Is(err, c.want) {
				t.Errorf("PostWithin(%q) = %v, want %v", c.name, err, c.want)
			}
		}
		close(gate)
		synctest.Wait()
		if err := l.PostWithin(ctx, "not full again", func() { ran = append(ran, "not full again") }); err != nil {
			t.Errorf("PostWithin while the queue is not full = %v, want nil", err)
		}
		stop()
		if want := []string{"not full", "not full again"}; !slices.Equal(ran, want) {
			t.Errorf("turns that ran: %q, want %q", ran, want)
		}
	})
}

// A turn that waits lets others run, and continues where it stopped.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		var got []string
		post(t, l, "slow", func() {
			got = append(got, "slow begins")
			err := l.Await(func(wake func()) { time.AfterFunc(time.Second, wake) })
			got = append(got, fmt.Sprint("slow ends ", err))
		})
		post(t, l, "quick", func() { got = append(got, "quick") })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		stop()
		want := []string{"slow begins", "quick", "slow ends <nil>"}
		if !slices.Equal(got, want) {
			t.Errorf("turns: got %q, want %q", got, want)
		}
	})
}

// Ten thousand turns can wait at once; one more is refused; all of them continue.
func TestManyWaiting(t *testing.T) {
	l, stop := start(t, Options{MaxWaiting: 10_000})
	wakes := make([]func(), 0, 10_000)
	done := 0
	for range 10_000 {
		post(t, l, "wait", func() {
			if err := l.Await(func(wake func()) { wakes = append(wakes, wake) }); err == nil {
				done++
			}
		})
	}
	refused := make(chan error, 1)
	post(t, l, "refused", func() { refused <- l.Await(func(func()) { t.Error("start was called for a refused wait") }) })
	if err := <-refused; !errors.Is(err, ErrTooManyWaiting) {
		t.Errorf("Await beyond MaxWaiting = %v, want %v", err, ErrTooManyWaiting)
	}
	post(t, l, "wake", func() {
		for _, wake := range wakes {
			wake()
			wake()
		}
	})
	idle := 0
	post(t, l, "after", func() {})
	post(t, l, "idle", func() { l.Next("idle", func() { idle = len(l.idle) }) })
	stop()
	if done != 10_000 {
		t.Errorf("turns that went on: got %d, want 10000", done)
	}
	if idle > maxIdle {
		t.Errorf("coroutines that are kept: got %d, want %d at most", idle, maxIdle)
	}
}

// When the loop ends, it ends waits, runs the turns that were posted before, and refuses later ones.
func TestStop(t *testing.T) {
	l, stop := start(t, Options{})
	waited := make(chan error, 1)
	post(t, l, "wait", func() {
		waited <- l.Await(func(func()) {})
	})
	ran := false
	post(t, l, "last", func() { ran = true })
	stop()
	if err := <-waited; !errors.Is(err, ErrStopped) {
		t.Errorf("Await at the end = %v, want %v", err, ErrStopped)
	}
	if !ran {
		t.Error("a turn that was posted before the end did not run")
	}
	if err := l.Post("late", func() {}); !errors.Is(err, ErrStopped) {
		t.Errorf("Post after the end = %v, want %v", err, ErrStopped)
	}
}

// A late wake, of an earlier wait of the same coroutine, does not end a later wait.
func TestLateWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		var first func()
		second := false
		post(t, l, "twice", func() {
			_ = l.Await(func(wake func()) { first = wake; wake() })
			err := l.Await(func(func()) {})
			second = err == nil
		})
		synctest.Wait()
		first()
		synctest.Wait()
		stop()
		if second {
			t.Error("the second wait was ended by the wake of the first")
		}
	})
}

// A turn that panics is reported by its name, and the next one runs, also if it panics after a wait.
func TestPanic(t *testing.T) {
	var got []string
	l, stop := start(t, Options{OnPanic: func(name string, value any, _ []byte) {
		got = append(got, fmt.Sprint(name, ": ", value))
	}})
	post(t, l, "bad", func() { panic("a") })
	post(t, l, "worse", func() {
		_ = l.Await(func(wake func()) { wake() })
		panic("b")
	})
	post(t, l, "good", func() { got = append(got, "good") })
	stop()
	slices.Sort(got)
	if want := []string{"bad: a", "good", "worse: b"}; !slices.Equal(got, want) {
		t.Errorf("turns: got %q, want %q", got, want)
	}
}

// After runs turns, and never one that was cancelled, even if its time had come.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		var got []string
		post(t, l, "timers", func() {
			l.After(2*time.Second, "second", func() { got = append(got, "second") })
			l.After(time.Second, "first", func() { got = append(got, "first") })
			cancel := l.After(time.Millisecond, "never", func() { got = append(got, "never") })
			time.Sleep(time.Second / 2)
			cancel()
		})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		stop()
		if want := []string{"first", "second"}; !slices.Equal(got, want) {
			t.Errorf("timers: got %q, want %q", got, want)
		}
	})
}

// Only the time for which a turn holds the loop counts as slow, not the time for which it waits.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		l, stop := start(t, Options{SlowTurn: 50 * time.Millisecond, OnSlowTurn: func(name string, held time.Duration) {
			got = append(got, fmt.Sprint(name, " ", held))
		}})
		post(t, l, "patient", func() {
			_ = l.Await(func(wake func()) { time.AfterFunc(time.Hour, wake) })
		})
		post(t, l, "slow", func() { time.Sleep(time.Second) })
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		stop()
		if want := []string{"slow 1s"}; !slices.Equal(got, want) {
			t.Errorf("slow turns: got %q, want %q", got, want)
		}
	})
}

// A stopped timer does not keep the values of its function in memory, even while the runtime keeps the timer.
func TestStoppedTimersKeepNothing(t *testing.T) {
	const timers = 100
	var held []weak.Pointer[[1024]byte]
	for range 10 * timers { // the runtime lets go once a good part of its timers is stopped
		defer time.AfterFunc(2*time.Hour, func() {}).Stop()
	}
	for range timers {
		block := new([1024]byte)
		held = append(held, weak.Make(block))
		stop := RealClock{}.AfterFunc(time.Hour, func() { block[0]++ })
		if !stop() {
			t.Fatal("stop of a timer that is not due = false, want true")
		}
		if stop() {
			t.Fatal("a second stop = true, want false")
		}
	}
	runtime.GC()
	left := 0
	for _, p := range held {
		if p.Value() != nil {
			left++
		}
	}
	if left > 1 { // the last may still be on the stack
		t.Errorf("%d of %d stopped timers keep what their function refers to, want none", left, timers)
	}
}

func BenchmarkPost(b *testing.B) {
	l := New(Options{})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	n := 0
	for b.Loop() {
		if err := l.Post("count", func() { n++ }); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
}

// One wait and its end: two switches between coroutines.
func BenchmarkAwait(b *testing.B) {
	l := New(Options{})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	done := make(chan struct{})
	err := l.Post("wait", func() {
		for b.Loop() {
			_ = l.Await(func(wake func()) { wake() })
		}
		close(done)
	})
	if err != nil {
		b.Fatal(err)
	}
	<-done
	cancel()
	wg.Wait()
}

// While a turn holds the loop, other goroutines see how many are queued behind it and how many wait.
func TestSeenFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		expect := func(why string, queued, waiting int) {
			t.Helper()
			synctest.Wait()
			if q, w := l.Queued(), l.Waiting(); q != queued || w != waiting {
				t.Errorf("%s: Queued, Waiting = %d, %d, want %d, %d", why, q, w, queued, waiting)
			}
		}
		expect("at the beginning", 0, 0)
		var wake func()
		post(t, l, "wait", func() { _ = l.Await(func(w func()) { wake = w }) })
		expect("with one that waits", 0, 1)
		gate := make(chan struct{})
		post(t, l, "gate", func() {
			l.Next("deferred", func() {})
			<-gate
		})
		expect("with one deferred", 1, 1)
		for range 3 {
			post(t, l, "posted", func() {})
		}
		wake()
		expect("with three posted and the wait over", 5, 1)
		close(gate)
		expect("after all of them", 0, 0)
		post(t, l, "wait", func() { _ = l.Await(func(func()) {}) })
		stop()
		expect("after the end", 0, 0)
	})
}
