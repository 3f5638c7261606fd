package logging

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Lines of one key are logged once a second, with the number of suppressed lines; lines of other keys are not affected.
func TestThrottle(t *testing.T) {
	var throttle Throttle
	now := time.Unix(1_795_384_421, 0)
	first := throttle.Allow("a", now)
	if !first.Allowed || first.Suppressed != 0 || len(first.Ref) != 4 {
		t.Fatalf("Allow = %+v, want it allowed under a reference", first)
	}
	for _, after := range []time.Duration{0, time.Second - 1} {
		if got := throttle.Allow("a", now.Add(after)); got.Allowed || got.Ref != first.Ref {
			t.Errorf("Allow %s later = %+v, want it suppressed, under %s", after, got, first.Ref)
		}
	}
	if got := throttle.Allow("b", now); !got.Allowed {
		t.Errorf("Allow of another thing = %+v, want it allowed", got)
	}
	if got := throttle.Allow("a", now.Add(time.Second)); !got.Allowed || got.Suppressed != 2 {
		t.Errorf("Allow a second later = %+v, want it allowed, with 2 suppressed", got)
	}
	if got := throttle.Allow("a", now.Add(5*time.Second)); !got.Allowed || got.Suppressed != 0 {
		t.Errorf("Allow long after = %+v, want it allowed, with none suppressed", got)
	}
}

// The first lines of each second are allowed, and the next second has the number of suppressed lines, also if the clock is set
// back.
func TestThrottleLimit(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	throttle := Throttle{Limit: 2}
	for i, row := range []struct {
		after time.Duration
		want  Decision
	}{
		{0, Decision{Allowed: true}},
		{999 * time.Millisecond, Decision{Allowed: true}},
		{999 * time.Millisecond, Decision{FirstSuppressed: true}},
		{999 * time.Millisecond, Decision{}},
		{time.Second, Decision{Allowed: true, Suppressed: 2}},
		{time.Second, Decision{Allowed: true}},
		{time.Second, Decision{FirstSuppressed: true}},
		{-time.Hour, Decision{Allowed: true, Suppressed: 1}},
	} {
		got := throttle.Allow("", start.Add(row.after))
		if got.Ref = ""; got != row.want {
			t.Errorf("line %d: Allow at +%s = %+v, want %+v", i, row.after, got, row.want)
		}
	}
}

// An interval of its own counts instead of the second, and a key that is not retained is allowed again at once.
func TestThrottleInterval(t *testing.T) {
	throttle := Throttle{Interval: time.Minute}
	start := time.Unix(1_795_384_421, 0)
	for i, row := range []struct {
		key    string
		after  time.Duration
		retain map[string]bool
		want   bool
	}{
		{"a", 0, nil, true},
		{"b", 0, nil, true},
		{"a", 59 * time.Second, map[string]bool{"a": true}, false},
		{"a", 59 * time.Second, nil, false},
		{"b", 59 * time.Second, nil, true},
		{"a", 60 * time.Second, nil, true},
	} {
		if got := throttle.Allow(row.key, start.Add(row.after)); got.Allowed != row.want {
			t.Errorf("line %d: Allow(%q) at +%s = %+v, want %t", i, row.key, row.after, got, row.want)
		}
		if row.retain != nil {
			throttle.Retain(row.retain)
		}
	}
}

// However many keys there are, few are remembered.
func TestThrottleManyKeys(t *testing.T) {
	var throttle Throttle
	for i := range 3 * defaultMaxKeys {
		if got := throttle.Allow(fmt.Sprint(i), time.Unix(0, 0)); !got.Allowed {
			t.Fatalf("Allow of key %d = %+v, want it allowed", i, got)
		}
	}
	if len(throttle.windows) > defaultMaxKeys {
		t.Errorf("%d keys are remembered, want at most %d", len(throttle.windows), defaultMaxKeys)
	}
}

// However long keys are, remembering them takes little memory.
func TestThrottleLongKeys(t *testing.T) {
	var throttle Throttle
	key := strings.Repeat("x", 1<<20)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 64 {
		throttle.Allow(key[i:]+"y", time.Unix(0, 0))
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("64 keys of 1 MiB take %d bytes, want few", after-before)
	}
	if got := throttle.Allow(key[5:]+"y", time.Unix(0, 0)); got.Allowed {
		t.Errorf("Allow of a long key again = %+v, want it suppressed", got)
	}
}
