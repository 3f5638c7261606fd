package loop

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"perigee/engine/quota"
)

// However many turns greedy owners have deferred, that of another owner, and of the server itself, waits for the posted turns and
// one turn of each of them. The turns of each owner keep their order.
func TestOwnersOfDeferredTurns(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after a delay %v", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const slow, one = 50 * time.Millisecond, time.Millisecond
				l, _ := start(t, Options{SlowTurn: slow})
				deferTurn := l.Defer
				if after {
					deferTurn = func(name string, run func()) { l.After(0, name, run) }
				}
				var ran atomic.Int64
				for _, greedy := range []*quota.Owner{quota.NewOwner(nil), quota.NewOwner(nil)} {
					next := 0
					post(t, l, "greedy", func() {
						l.As(greedy, func() {
							for i := range 5000 {
								l.Defer("greedy", func() {
									if i != next {
										t.Errorf("turn %d of an owner ran as the %d-th", i, next)
									}
									next++
									ran.Add(1)
									time.Sleep(one)
								})
							}
						})
					})
				}
				for range 20 {
					time.Sleep(slow)
					for _, other := range []*quota.Owner{quota.NewOwner(nil), nil} {
						waited := make(chan time.Duration, 1)
						post(t, l, "other", func() {
							l.As(other, func() {
								deferred := time.Now()
								deferTurn("other", func() { waited <- time.Since(deferred) })
							})
						})
						if w := <-waited; w > slow+5*one {
							t.Errorf("a deferred turn of another owner waited %v, want %v at most", w, slow+5*one)
						}
					}
				}
				if ran.Load() == 10000 {
					t.Error("the greedy owners were done before the others came: the test has shown nothing")
				}
			})
		})
	}
}

// A backlog hands out the turns of its owners by turns, and forgets owners without turns.
func TestBacklog(t *testing.T) {
	var b backlog
	alice, bob := quota.NewOwner(nil), quota.NewOwner(nil)
	add := func(o *quota.Owner, names ...string) {
		for _, name := range names {
			b.push(turn{name: name, owner: o})
		}
	}
	var got []string
	add(alice, "a1", "a2", "a3")
	add(bob, "b1")
	add(nil, "s1", "s2")
	for range 4 {
		got = append(got, b.pop().name)
	}
	add(bob, "b2", "b3")
	for !b.isEmpty() {
		got = append(got, b.pop().name)
	}
	if want := []string{"a1", "b1", "s1", "a2", "s2", "a3", "b2", "b3"}; !slices.Equal(got, want) || len(b.owners) != 0 {
		t.Errorf("order %q with %d owners left, want %q and none", got, len(b.owners), want)
	}
}

// A loop that has ended keeps nothing that turns of After refer to, however late they would have been due.
func TestEndedLoopKeepsNothing(t *testing.T) {
	l, stop := start(t, Options{})
	var held weak.Pointer[[1024]byte]
	post(t, l, "after", func() {
		block := new([1024]byte)
		held = weak.Make(block)
		l.After(time.Hour, "due", func() { block[0]++ })
	})
	stop()
	runtime.GC()
	if held.Value() != nil {
		t.Error("the loop has ended, and a turn that is not due is kept, want nothing")
	}
	runtime.KeepAlive(l)
}
