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

// Turns of Next run in their order, after those that are queued.
func TestNext(t *testing.T) {
	l, stop := start(t, Options{})
	var got []string
	note := func(name string) func() { return func() { got = append(got, name) } }
	gate := make(chan struct{})
	post(t, l, "gate", func() { <-gate }) // so that the next two are queued together
	post(t, l, "first", func() {
		l.Next("next", note("next"))
		l.Next("next too", note("next too"))
		note("first")()
	})
	post(t, l, "second", note("second"))
	close(gate)
	stop()
	if want := []string{"first", "second", "next", "next too"}; !slices.Equal(got, want) {
		t.Errorf("turns: got %q, want %q", got, want)
	}
}

// A turn that calls Next for itself forever does not keep posted turns from running; otherwise the test would not end.
func TestNextForever(t *testing.T) {
	l, _ := start(t, Options{})
	over := false
	var again func()
	again = func() {
		if !over {
			l.Next("again", again)
		}
	}
	post(t, l, "again", again)
	ran := make(chan struct{})
	post(t, l, "posted", func() {
		over = true
		close(ran)
	})
	<-ran
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

// Turns that defer others without end hold up a posted turn for SlowTurn at most, keep their order, and do not keep the loop from
// ending: what is left then is dropped.
func TestDeferForever(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after a delay %v", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const slow = 50 * time.Millisecond
				l, stop := start(t, Options{SlowTurn: slow, MaxDeferred: 1000})
				deferTurn := l.Defer
				if after {
					deferTurn = func(name string, run func()) { l.After(0, name, run) }
				}
				last, made := 0, 0
				var spawn func(n int) func()
				spawn = func(n int) func() {
					return func() {
						if n < last && !after { // timers that are due at once come in any order
							t.Errorf("turn %d ran after turn %d", n, last)
						}
						last = n
						time.Sleep(time.Millisecond)
						for range 2 {
							if l.CheckDeferred() == nil {
								made++
								deferTurn("spawn", spawn(made))
							}
						}
					}
				}
				post(t, l, "spawn", spawn(0))
				time.Sleep(3 * time.Second) // by then a thousand turns are queued
				for range 20 {
					posted, ran := time.Now(), make(chan time.Duration, 1)
					post(t, l, "posted", func() { ran <- time.Since(posted) })
					if waited := <-ran; waited > slow+2*time.Millisecond {
						t.Errorf("a posted turn waited %v, want %v at most", waited, slow)
					}
				}
				ended := time.Now()
				stop()
				if took := time.Since(ended); took > 2*slow+2*time.Millisecond || l.Dropped() == 0 || l.Queued() != 0 {
					t.Errorf("the loop took %v to end, dropped %d turns and left %d, want twice %v at most, some, and none",
						took, l.Dropped(), l.Queued(), slow)
				}
			})
		})
	}
}

// Turns of Next run when the loop ends, however many, and so do deferred ones that take no time.
func TestNextAtStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		next, deferred := 0, 0
		post(t, l, "many", func() {
			for range 1000 {
				l.Next("next", func() { next++; time.Sleep(time.Millisecond) })
				l.Defer("deferred", func() { deferred++ })
			}
		})
		synctest.Wait()
		stop()
		if next != 1000 || deferred+l.Dropped() != 1000 {
			t.Errorf("%d turns of Next ran, %d deferred ones ran and %d were dropped, want 1000, and 1000 together", next, deferred, l.Dropped())
		}
	})
}

// After RunWoken a woken turn continues before those that are queued.
func TestRunWoken(t *testing.T) {
	l, stop := start(t, Options{})
	var got []string
	done := make(chan struct{})
	post(t, l, "waits", func() {
		if err := l.Await(func(wake func()) {
			l.Next("wakes", func() { wake(); l.RunWoken() })
			l.Next("queued", func() { got = append(got, "queued"); close(done) })
		}); err != nil {
			t.Errorf("Await = %v, want nil", err)
		}
		got = append(got, "woken")
	})
	<-done
	stop()
	if want := []string{"woken", "queued"}; !slices.Equal(got, want) {
		t.Errorf("order after RunWoken: got %v, want %v", got, want)
	}
}

// Queued counts the turns and waits that follow the present turn: turns that were deferred or posted, and waits that are over.
func TestQueued(t *testing.T) {
	l, _ := start(t, Options{})
	var wake func()
	post(t, l, "wait", func() {
		if err := l.Await(func(w func()) { wake = w }); err != nil {
			t.Errorf("Await = %v, want nil", err)
		}
	})
	var got []int
	done := make(chan struct{})
	post(t, l, "count", func() {
		got = append(got, l.Queued())
		wake()
		got = append(got, l.Queued())
		l.Next("next", func() {
			got = append(got, l.Queued())
			close(done)
		})
		got = append(got, l.Queued())
	})
	<-done
	if want := []int{0, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("Queued = %v, want %v", got, want)
	}
}

// Deferred turns are counted until they have run or were cancelled, and only MaxDeferred of them are allowed.
func TestCheckDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Options{MaxDeferred: 4})
		var cancel func()
		expect := func(why string, want error) {
			t.Helper()
			if err := l.CheckDeferred(); !errors.Is(err, want) {
				t.Errorf("CheckDeferred() %s = %v, want %v", why, err, want)
			}
		}
		nothing := func() {}
		post(t, l, "deferred", func() {
			cancel = l.After(time.Second, "later", nothing)
			l.After(2*time.Second, "later", nothing)
			l.Next("next", nothing)
			expect("with three deferred", nil)
			l.Next("next", func() { expect("in the first of two that are next, after one was cancelled", nil) })
			expect("with four deferred", ErrTooManyDeferred)
			cancel()
			cancel()
			expect("with one cancelled", nil)
			l.Next("next", nothing)
			expect("with four deferred again", ErrTooManyDeferred)
		})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		post(t, l, "count again", func() {
			cancel()
			for range 3 {
				l.Next("next", nothing)
			}
			expect("with three deferred, all others over", nil)
			l.Next("next", nothing)
			expect("with four deferred after all others are over", ErrTooManyDeferred)
		})
		synctest.Wait()
	})
}

// A turn of After takes one place from its call until it begins, whether it is not due, queued or postponed. Posted turns take none.
func TestDueCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Options{MaxDeferred: 4, SlowTurn: time.Second})
		checked := 0
		expect := func(when string, deferred int) {
			checked++
			if free := 4 - deferred; l.options.MaxDeferred-l.deferred != free || (l.CheckDeferred() == nil) != (free > 0) {
				t.Errorf("%s: %d turns are counted, CheckDeferred() = %v, want %d", when, l.deferred, l.CheckDeferred(), deferred)
			}
		}
		due := 4
		post(t, l, "hold", func() {
			for range 4 {
				l.After(time.Second, "due", func() {
					due--
					expect("in a turn that was due", due)
					time.Sleep(2 * time.Second) // the next one is postponed
				})
			}
			expect("before they are due", 4)
			time.Sleep(2 * time.Second)
			expect("when they are due", 4)
		})
		for range 4 {
			time.Sleep(2 * time.Second)
			for range 4 {
				post(t, l, "posted", func() { expect("in a posted turn", due) })
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if checked != 2+4+16 || due != 0 {
			t.Errorf("%d checks, %d turns left, want 22 and none", checked, due)
		}
	})
}

// However many timers are due at once, none of their goroutines waits for the queue.
func TestManyDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{QueueSize: 2})
		ran := 0
		gate := make(chan struct{})
		post(t, l, "deferred", func() {
			for range 100 {
				l.After(time.Second, "due", func() { ran++ })
			}
			<-gate
		})
		time.Sleep(time.Second)
		synctest.Wait()
		before := runtime.NumGoroutine()
		close(gate)
		synctest.Wait()
		if ran != 100 || before > runtime.NumGoroutine()+10 {
			t.Errorf("100 turns due at once: %d ran, and %d goroutines waited, want all and none", ran, before-runtime.NumGoroutine())
		}
		stop()
	})
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
