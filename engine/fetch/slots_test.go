package fetch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// queue has requests wait for places in the background, and appends their owner to got when they get them.
func queue(t *testing.T, s *slots, got *[]string, r Request, times int) {
	t.Helper()
	for range times {
		go func() {
			if _, err := s.acquire(t.Context(), r); err == nil {
				*got = append(*got, r.Owner.(string)) //nolint:forcetypeassert // all owners here are strings
			}
		}()
		synctest.Wait()
	}
}

// Owners whose requests wait take turns: one that comes last is served before those that have many requests waiting are served again.
func TestOwnersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(Options{MaxRequests: 1})
		var got []string
		first := Request{Owner: "first"}
		if _, err := s.acquire(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		queue(t, s, &got, Request{Owner: "a"}, 3)
		queue(t, s, &got, Request{Owner: "b"}, 3)
		queue(t, s, &got, Request{Owner: "victim"}, 1)
		s.release(first)
		synctest.Wait()
		for range 6 {
			s.release(Request{Owner: got[len(got)-1]})
			synctest.Wait()
		}
		if text, want := fmt.Sprint(got), "[a b victim a b a b]"; text != want {
			t.Errorf("places are given to %s, want %s", text, want)
		}
		s.release(Request{Owner: "b"})
		if s.used != 0 || len(s.owners) != 0 || len(s.waiting) != 0 {
			t.Errorf("after the last request: %d used, %d owners, %d waiting, want none", s.used, len(s.owners), len(s.waiting))
		}
	})
}

// Connections hold MaxPerConnection places at most, other owners no more than they leave free.
func TestPlacesOfOneOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(Options{MaxRequests: 100, MaxPerConnection: 16})
		for i := range 2 {
			var got []string
			queue(t, s, &got, Request{Owner: fmt.Sprint("connection", i), Connection: true}, 40)
			if len(got) != 16 {
				t.Errorf("connection %d has %d places, want 16", i, len(got))
			}
		}
		var got []string
		queue(t, s, &got, Request{Owner: "job"}, 100)
		if len(got) != 35 {
			t.Errorf("a job has %d of the other 68 places, want 35", len(got))
		}
		var victim []string
		queue(t, s, &victim, Request{Owner: "victim", Connection: true}, 8)
		if len(victim) != 8 {
			t.Errorf("another connection has %d places, want 8", len(victim))
		}
	})
}

// A request that waits for too long is told which limit it waited for, and leaves the queue.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(Options{MaxRequests: 3, MaxPerConnection: 2})
		acquire := func(r Request) (Limit, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return s.acquire(ctx, r)
		}
		a, b := Request{Owner: "a", Connection: true}, Request{Owner: "b", Connection: true}
		for _, row := range []struct {
			r     Request
			limit Limit
			fail  bool
		}{{a, 0, false}, {a, 0, false}, {a, MaxPerConnection, true}, {b, 0, false}, {b, MaxRequests, true}} {
			if limit, err := acquire(row.r); limit != row.limit || (err != nil) != row.fail {
				t.Errorf("acquire for %v = %d, %v, want %d, failure %t", row.r.Owner, limit, err, row.limit, row.fail)
			}
		}
		if len(s.waiting) != 0 {
			t.Errorf("%d owners wait, want none", len(s.waiting))
		}
		s.release(a)
		if _, err := acquire(a); err != nil {
			t.Errorf("acquire with a free place = %v, want nil", err)
		}
	})
}
