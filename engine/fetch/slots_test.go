package fetch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/quota"
)

// job and connection return requests of new owners.
func job() Request        { return Request{Owner: quota.NewOwner(nil)} }
func connection() Request { return Request{Owner: quota.NewOwner(&quota.Limits{})} }

// queue has requests wait for places in the background, and appends them to got when they get them.
func queue(t *testing.T, s *slots, got *[]Request, r Request, times int) {
	t.Helper()
	for range times {
		go func() {
			if _, err := s.acquire(t.Context(), r); err == nil {
				*got = append(*got, r)
			}
		}()
		synctest.Wait()
	}
}

// Owners whose requests wait take turns: one that comes last is served before those that have many requests waiting are served again.
func TestOwnersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(Options{MaxRequests: 1})
		var got []Request
		first, a, b, other := job(), job(), job(), job()
		if _, err := s.acquire(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		queue(t, s, &got, a, 3)
		queue(t, s, &got, b, 3)
		queue(t, s, &got, other, 1)
		s.release(first)
		synctest.Wait()
		for range 6 {
			s.release(got[len(got)-1])
			synctest.Wait()
		}
		names := map[*quota.Owner]string{a.Owner: "a", b.Owner: "b", other.Owner: "other"}
		text := ""
		for _, r := range got {
			text += names[r.Owner] + " "
		}
		if want := "a b other a b a b "; text != want {
			t.Errorf("places are given to %s, want %s", text, want)
		}
		s.release(b)
		if s.used != 0 || len(s.owners) != 0 || len(s.waiting) != 0 || b.Owner.Held(quota.Requests) != 0 {
			t.Errorf("after the last request: %d used, %d owners, %d waiting, want none", s.used, len(s.owners), len(s.waiting))
		}
	})
}

// A connection that leaves requests behind gets no more places by coming again. When they end, it gets as many as others.
func TestPlacesLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(Options{MaxRequests: 100, MaxPerConnection: 16})
		var left quota.Leftover
		var got []Request
		for range 20 {
			r := connection()
			r.Owner.Follow(&left)
			queue(t, s, &got, r, 16)
			r.Owner.Leave(&left)
		}
		if s.used != 51 {
			t.Errorf("20 connections in turn hold %d of 100 places, want 51", s.used)
		}
		var others []Request
		queue(t, s, &others, connection(), 16)
		if len(others) != 16 {
			t.Errorf("another connection has %d places, want 16", len(others))
		}
		for len(got) > 0 {
			r := got[0]
			got = got[1:]
			s.release(r)
			synctest.Wait()
		}
		if s.used != 16 || !left.IsEmpty() {
			t.Errorf("after the requests have ended, %d places are used and it is %t that none is left behind, want 16, true", s.used, left.IsEmpty())
		}
	})
}

// Connections hold MaxPerConnection places at most, other owners no more than they leave free.
func TestPlacesOfOneOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(Options{MaxRequests: 100, MaxPerConnection: 16})
		for i := range 2 {
			var got []Request
			queue(t, s, &got, connection(), 40)
			if len(got) != 16 {
				t.Errorf("connection %d has %d places, want 16", i, len(got))
			}
		}
		var got []Request
		queue(t, s, &got, job(), 100)
		if len(got) != 35 {
			t.Errorf("a job has %d of the other 68 places, want 35", len(got))
		}
		var others []Request
		queue(t, s, &others, connection(), 8)
		if len(others) != 8 {
			t.Errorf("another connection has %d places, want 8", len(others))
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
		a, b := connection(), connection()
		for _, row := range []struct {
			name  string
			r     Request
			limit Limit
			fail  bool
		}{{"a", a, 0, false}, {"a", a, 0, false}, {"a", a, MaxPerConnection, true}, {"b", b, 0, false}, {"b", b, MaxRequests, true}} {
			if limit, err := acquire(row.r); limit != row.limit || (err != nil) != row.fail {
				t.Errorf("acquire for %v = %d, %v, want %d, failure %t", row.name, limit, err, row.limit, row.fail)
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
