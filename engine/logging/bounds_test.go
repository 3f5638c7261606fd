package logging

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A long text is cut between two characters, and says how much is missing.
func TestClip(t *testing.T) {
	full := strings.Repeat("x", MaxValue)
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{full, full},
		{full + "yz", full + "... (2 more bytes)"},
		{full[1:] + "€", full[1:] + "... (3 more bytes)"},
		{full[2:] + "€€", full[2:] + "... (6 more bytes)"},
		{full + strings.Repeat("\x80", 9), full[1:] + "... (10 more bytes)"},
	} {
		if got := Clip(row.text, MaxValue); got != row.want {
			t.Errorf("Clip(%d bytes) = %d bytes, ...%q, want ...%q", len(row.text), len(got), got[max(0, len(got)-24):], row.want[max(0, len(row.want)-24):])
		}
	}
	if got := Clip("€", 1); got != "... (3 more bytes)" {
		t.Errorf("Clip(€, 1) = %q, want nothing of it", got)
	}
}

// The same thing is due once a second, with how many were left unsaid; others are not held up by it.
func TestRepeats(t *testing.T) {
	var r Repeats
	now := time.Unix(1_795_384_421, 0)
	first := r.Happened("a", now)
	if !first.Due || first.Unsaid != 0 || len(first.Ref) != 4 {
		t.Fatalf("Happened = %+v, want it due under a reference", first)
	}
	for _, after := range []time.Duration{0, time.Second - 1} {
		if got := r.Happened("a", now.Add(after)); got.Due || got.Ref != first.Ref {
			t.Errorf("Happened %s later = %+v, want it not due, under %s", after, got, first.Ref)
		}
	}
	if got := r.Happened("b", now); !got.Due {
		t.Errorf("Happened of another thing = %+v, want it due", got)
	}
	if got := r.Happened("a", now.Add(time.Second)); !got.Due || got.Unsaid != 2 {
		t.Errorf("Happened a second later = %+v, want it due, with 2 unsaid", got)
	}
	if got := r.Happened("a", now.Add(5*time.Second)); !got.Due || got.Unsaid != 0 {
		t.Errorf("Happened long after = %+v, want it due, with none unsaid", got)
	}
}

// However many things happen, few are remembered.
func TestManyRepeats(t *testing.T) {
	var r Repeats
	for i := range 3 * maxRepeats {
		if got := r.Happened(fmt.Sprint(i), time.Unix(0, 0)); !got.Due {
			t.Fatalf("Happened of thing %d = %+v, want it due", i, got)
		}
	}
	if len(r.all) > maxRepeats {
		t.Errorf("%d things are remembered, want at most %d", len(r.all), maxRepeats)
	}
}
