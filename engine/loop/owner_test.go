package loop

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// What a turn defers, starts and does after a wait belongs to its owner, whoever else has turns meanwhile.
func TestOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		alice, bob := NewOwner(nil), NewOwner(nil)
		ran := 0
		expect := func(turn string, want *Owner) {
			ran++
			if l.Owner() != want {
				t.Errorf("%s runs as %p, want %p", turn, l.Owner(), want)
			}
		}
		var timer *Timer
		post(t, l, "alice", func() {
			l.As(alice, func() {
				l.Next("next", func() { expect("a deferred turn", alice) })
				l.After(time.Second, "after", func() { expect("a delayed turn", alice) })
				timer = NewTimer(l, TimerOptions{Every: 2 * time.Second, Once: true, Run: func() { expect("a timer that bob has resumed", alice) }})
				timer.Start()
				if err := l.Await(func(wake func()) { l.AfterFunc(time.Second, wake) }); err != nil {
					t.Errorf("Await = %v, want nil", err)
				}
				expect("the rest of a turn", alice)
				l.As(bob, func() { expect("a call as bob", bob) })
				expect("the rest after that call", alice)
			})
			expect("the end of the turn", nil)
		})
		post(t, l, "bob", func() {
			l.As(bob, func() {
				timer.Pause()
				if err := timer.Resume(); err != nil {
					t.Errorf("Resume = %v, want nil", err)
				}
				_ = l.Await(func(wake func()) { l.AfterFunc(500*time.Millisecond, wake) })
				expect("the rest of bob's turn", bob)
			})
		})
		post(t, l, "nobody", func() {
			expect("a posted turn", nil)
			NewTimer(l, TimerOptions{Every: time.Second, Once: true, Run: func() {
				ran++
				if o := l.Owner(); o == nil || o == alice || o == bob {
					t.Errorf("a timer of the server runs as %p, want an owner of its own", o)
				}
			}}).Start()
		})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		stop()
		if ran != 10 {
			t.Errorf("%d turns and parts of turns ran, want 10", ran)
		}
	})
}

// refusals counts the refused waits of a loop.
type refusals struct{ own, share, all int }

func (r *refusals) options(mostWaiting int) Options {
	return Options{MaxWaiting: mostWaiting, OnRefused: func(_ string, e *WaitingError) {
		switch {
		case e.Own:
			r.own++
		case e.Owner != nil:
			r.share++
		default:
			r.all++
		}
	}}
}

// tryWaits has an owner try to wait so many times, for good, and returns how many waits were refused.
func tryWaits(t *testing.T, l *Loop, o *Owner, times int) (refused int) {
	t.Helper()
	for range times {
		post(t, l, "wait", func() {
			l.As(o, func() {
				switch err := l.Await(func(func()) {}); {
				case errors.Is(err, ErrTooManyWaiting):
					refused++
					if o != nil && RefusedOwner(err) != o.Limited() {
						t.Errorf("RefusedOwner(%v) = %t, want %t", err, RefusedOwner(err), o.Limited())
					}
				case !errors.Is(err, ErrStopped):
					t.Errorf("Await = %v, want %v or %v", err, ErrTooManyWaiting, ErrStopped)
				}
			})
		})
	}
	synctest.Wait()
	return refused
}

// An owner with limits waits no more often than they allow. The limits can be changed.
func TestOwnerLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all refusals
		l, _ := start(t, all.options(1000))
		limits := &OwnerLimits{MaxWaiting: 3}
		alice, bob := NewOwner(limits), NewOwner(limits)
		if n := tryWaits(t, l, alice, 5); n != 2 {
			t.Errorf("5 waits of alice: %d refused, want 2", n)
		}
		if n := tryWaits(t, l, bob, 3); n != 0 {
			t.Errorf("3 waits of bob: %d refused, want 0", n)
		}
		post(t, l, "check", func() {
			l.As(alice, func() {
				if err := l.CheckOwner(); !RefusedOwner(err) {
					t.Errorf("CheckOwner of alice = %v, want that she has too many", err)
				}
				limits.MaxWaiting = 4
				if err := l.CheckOwner(); err != nil {
					t.Errorf("CheckOwner of alice with a higher limit = %v, want nil", err)
				}
			})
		})
		if n := tryWaits(t, l, alice, 2); n != 1 {
			t.Errorf("2 more waits of alice with one more place: %d refused, want 1", n)
		}
		if want := (refusals{own: 4}); all != want {
			t.Errorf("refusals = %+v, want %+v", all, want)
		}
	})
}

// Greedy owners, with and without limits, leave places for others, and the server itself may take the last one.
func TestOwnerShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all refusals
		l, _ := start(t, all.options(100))
		limits := &OwnerLimits{MaxWaiting: 64}
		for _, greedy := range []*Owner{NewOwner(limits), NewOwner(nil), NewOwner(limits), NewOwner(nil)} {
			if n := tryWaits(t, l, greedy, 200); n < 100 {
				t.Errorf("200 waits of a greedy owner: %d refused, want 100 at least", n)
			}
		}
		if n := tryWaits(t, l, NewOwner(limits), 2); n != 0 {
			t.Errorf("2 waits of another owner: %d refused, want 0", n)
		}
		free := 100 - l.Waiting()
		if n := tryWaits(t, l, nil, free+1); n != 1 {
			t.Errorf("%d waits of the server itself: %d refused, want the last", free+1, n)
		}
		if all.share == 0 || all.all != 1 {
			t.Errorf("refusals = %+v, want many of shares, and one of all", all)
		}
	})
}

// An owner defers no more turns than it leaves room for. Turns that have run or were cancelled do not count.
func TestOwnerDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := start(t, Options{MaxDeferred: 100})
		alice, bob := NewOwner(nil), NewOwner(nil)
		fill := func(o *Owner) (n int, cancel []func()) {
			l.As(o, func() {
				for ; l.CheckDeferred() == nil; n += 2 {
					l.Next("next", func() {})
					cancel = append(cancel, l.After(time.Second, "later", func() {}))
				}
			})
			return n, cancel
		}
		for _, round := range []string{"first", "second", "third"} {
			post(t, l, "fill", func() {
				n, cancel := fill(alice)
				if n < 50 || n > 52 {
					t.Errorf("%s round: alice deferred %d turns of 100, want half", round, n)
				}
				if n, _ := fill(bob); n < 20 {
					t.Errorf("%s round: bob deferred %d turns, want 20 at least", round, n)
				}
				for _, cancel := range cancel[:len(cancel)/2] {
					cancel()
					cancel()
				}
			})
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
	})
}

// Owners that come one after the other and leave turns waiting together get no more places than one owner. Owners that do not follow
// them, and those that have come before, still get places.
func TestLeftover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all refusals
		l, _ := start(t, all.options(100))
		limits := &OwnerLimits{MaxWaiting: 10}
		var left Leftover
		victim, other := NewOwner(limits), NewOwner(limits)
		var last *Owner
		for range 30 {
			last = NewOwner(limits)
			last.Follow(&left)
			tryWaits(t, l, last, 10)
			last.Leave(&left)
		}
		if n := l.Waiting(); n < 50 || n > 60 || left.waiting != n {
			t.Errorf("30 owners in turn with 10 turns each have %d waiting, of which %d are left behind, want 50 to 60, and all", n, left.waiting)
		}
		if n := tryWaits(t, l, last, 1); n != 1 || last.share() != left.waiting {
			t.Errorf("a further wait of an owner that has left: %d refused, its share is %d, want 1 and %d", n, last.share(), left.waiting)
		}
		if n := tryWaits(t, l, victim, 10) + tryWaits(t, l, other, 10); n != 0 {
			t.Errorf("20 waits of others: %d refused, want 0", n)
		}
		other.Leave(&left)
		if want := l.Waiting() - victim.waiting; left.waiting != want || left.IsEmpty() {
			t.Errorf("%d turns are left behind, want %d", left.waiting, want)
		}
	})
}
