package loop

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/quota"
)

// What a turn defers, starts and does after a wait belongs to its owner, whoever else has turns meanwhile.
func TestOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := start(t, Options{})
		alice, bob := quota.NewOwner(nil), quota.NewOwner(nil)
		ran := 0
		expect := func(turn string, want *quota.Owner) {
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
func tryWaits(t *testing.T, l *Loop, o *quota.Owner, times int) (refused int) {
	t.Helper()
	for range times {
		post(t, l, "wait", func() {
			l.As(o, func() {
				switch err := l.Await(func(func()) {}); {
				case errors.Is(err, ErrTooManyWaiting):
					refused++
					if RefusedOwner(err) != (o.Limits() != nil) {
						t.Errorf("RefusedOwner(%v) = %t, want %t", err, RefusedOwner(err), o.Limits() != nil)
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
		limits := &quota.Limits{MaxWaiting: 3}
		alice, bob := quota.NewOwner(limits), quota.NewOwner(limits)
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
		limits := &quota.Limits{MaxWaiting: 64}
		for _, greedy := range []*quota.Owner{quota.NewOwner(limits), quota.NewOwner(nil), quota.NewOwner(limits), quota.NewOwner(nil)} {
			if n := tryWaits(t, l, greedy, 200); n < 100 {
				t.Errorf("200 waits of a greedy owner: %d refused, want 100 at least", n)
			}
		}
		if n := tryWaits(t, l, quota.NewOwner(limits), 2); n != 0 {
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
		alice, bob := quota.NewOwner(nil), quota.NewOwner(nil)
		fill := func(o *quota.Owner) (n int, cancel []func()) {
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

// Owners that come one after the other and leave turns waiting or deferred together get no more places than one owner. Others still
// get places.
func TestOwnersInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all refusals
		options := all.options(100)
		options.MaxDeferred = 100
		l, _ := start(t, options)
		limits := &quota.Limits{MaxWaiting: 10}
		var left quota.Leftover
		deferred := func(o *quota.Owner, most int) (n int) {
			post(t, l, "defer", func() {
				l.As(o, func() {
					for ; n < most && l.CheckDeferred() == nil; n++ {
						l.After(time.Second, "later", func() {})
					}
				})
			})
			synctest.Wait()
			return n
		}
		turns := 0
		for range 30 {
			o := quota.NewOwner(limits)
			o.Follow(&left)
			tryWaits(t, l, o, 10)
			turns += deferred(o, 10)
			o.Leave(&left)
		}
		if n := l.Waiting(); n < 50 || n > 60 || turns < 50 || turns > 60 {
			t.Errorf("30 owners in turn have %d turns waiting and %d deferred, want 50 to 60 of each", n, turns)
		}
		if n := tryWaits(t, l, quota.NewOwner(limits), 10); n != 0 {
			t.Errorf("10 waits of another owner: %d refused, want 0", n)
		}
		if n := deferred(quota.NewOwner(limits), 10); n != 10 {
			t.Errorf("another owner defers %d turns, want 10", n)
		}
		time.Sleep(2 * time.Second)
		o := quota.NewOwner(limits)
		o.Follow(&left)
		if n := deferred(o, 10); n != 10 {
			t.Errorf("once all have run, an owner defers %d turns, want 10", n)
		}
	})
}
