package trace

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/wire"
)

// add begins a trace that shows messages as they are.
func add(t *testing.T, taps *Taps, f Filter, limit time.Duration) *Tap {
	t.Helper()
	tap, err := taps.Add(Options{Filter: f, Redactor: func() wire.Redactor { return wire.Redactor{} }, Limit: limit})
	if err != nil {
		t.Fatalf("Add = %v, want a tap", err)
	}
	return tap
}

// next returns the next event, which must be there.
func next(t *testing.T, tap *Tap) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := tap.Next(ctx)
	if err != nil {
		t.Fatalf("Next = %v, want an event", err)
	}
	return e
}

// Nobody watches before the first tap and after the last one has closed; there are four at most.
func TestTaps(t *testing.T) {
	var taps Taps
	if active := taps.Active(); active != nil {
		t.Errorf("Active = %v, want nil", active)
	}
	var all []*Tap
	for range maxTaps {
		all = append(all, add(t, &taps, Filter{}, 0))
	}
	if _, err := taps.Add(Options{}); !errors.Is(err, errTooMany) {
		t.Errorf("Add = %v, want %v", err, errTooMany)
	}
	all[1].Close()
	all[1].Close()
	if n := len(taps.Active()); n != maxTaps-1 {
		t.Errorf("Active = %d taps, want %d", n, maxTaps-1)
	}
	for _, tap := range all {
		tap.Close()
	}
	if active := taps.Active(); active != nil {
		t.Errorf("Active = %v after all have closed, want nil", active)
	}
}

// A reader that does not read in time misses the newest events, and hears how many. Many large messages fill the buffer too, but
// not a single one.
func TestDropped(t *testing.T) {
	var taps Taps
	tap := add(t, &taps, Filter{}, 0)
	for range maxEvents + 7 {
		tap.Put(Event{Name: "A"}, []byte("{}"))
	}
	for range maxEvents {
		if e := next(t, tap); e.Dropped != 0 || e.Text != "{}" {
			t.Fatalf("Next = %+v, want {} and nothing dropped", e)
		}
	}
	large := []byte(strings.Repeat("x", maxBytes/2+1))
	tap.Put(Event{Name: "B"}, large)
	tap.Put(Event{Name: "C"}, large)
	if e := next(t, tap); e.Name != "B" || e.Dropped != 7 {
		t.Errorf("Next = %s after %d dropped ones, want B after 7", e.Name, e.Dropped)
	}
	tap.Put(Event{Name: "D"}, append(large, large...))
	if e := next(t, tap); e.Name != "D" || e.Dropped != 1 {
		t.Errorf("Next = %s after %d dropped ones, want D after 1", e.Name, e.Dropped)
	}
	tap.Put(Event{Name: "E"}, nil)
	if e := next(t, tap); e.Name != "E" || e.Dropped != 0 {
		t.Errorf("Next = %s after %d dropped ones, want E after none", e.Name, e.Dropped)
	}
}

// A tap takes the events that match all fields of its filter.
func TestFilter(t *testing.T) {
	var taps Taps
	tap := add(t, &taps, Filter{Message: "Ring", Topic: "hall"}, 0)
	for _, e := range []Event{{Name: "Ring"}, {Topic: "hall", Name: "Rang"}, {Topic: "hall", Name: "Ring", Ref: "it"}} {
		tap.Put(e, nil)
	}
	if e := next(t, tap); e.Ref != "it" || len(tap.events) != 0 {
		t.Errorf("Next = %+v with %d more, want only the one with both names", e, len(tap.events))
	}
	for _, row := range []struct {
		Filter
		uuid, user string
		want       bool
	}{
		{Filter{}, "1", "", true},
		{Filter{Connection: "1"}, "1", "", true},
		{Filter{Connection: "1"}, "2", "", false},
		{Filter{User: "ada"}, "1", "ada", true},
		{Filter{User: "ada"}, "1", "", false},
		{Filter{Connection: "1", User: "ada"}, "1", "bob", false},
	} {
		if got := row.MatchesClient(row.uuid, row.user); got != row.want {
			t.Errorf("%+v.MatchesClient(%q, %q) = %v, want %v", row.Filter, row.uuid, row.user, got, row.want)
		}
	}
}

// A trace ends when its time is over, or with the context of its reader.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taps Taps
		tap := add(t, &taps, Filter{}, MaxDuration)
		began := time.Now()
		if _, err := tap.Next(t.Context()); !errors.Is(err, ErrEnded) || time.Since(began) != MaxDuration {
			t.Errorf("Next = %v after %s, want %v after %s", err, time.Since(began), ErrEnded, MaxDuration)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := add(t, &taps, Filter{}, 0).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
