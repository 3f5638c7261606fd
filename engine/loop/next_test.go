package loop

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

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
