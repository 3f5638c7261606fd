package logging

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// defaultInterval is the interval of a Throttle that sets none: clients can make a handler fail many times a second.
const defaultInterval = time.Second

// defaultMaxKeys is how many keys a Throttle remembers. Scripts hardly have as many places that can fail.
const defaultMaxKeys = 1024

// Throttle limits how often the same thing is logged. It is safe for concurrent use. The zero value allows one line a
// second for each key.
type Throttle struct {
	// Set before the first call of Allow, never changed.
	Limit    int           // lines for each key in an interval; 0 is 1
	Interval time.Duration // 0 is one second
	MaxKeys  int           // how many are remembered: if there are more, all are forgotten; 0 is 1,024

	mu sync.Mutex
	// Guarded by mu.
	windows map[uint64]*window // by the hash of the key: keys may be long, such as the error of a job
	seed    maphash.Seed
}

// window counts the lines of one key in the current interval.
type window struct {
	began      time.Time
	ref        string
	lines      int // suppressed ones included
	suppressed int
}

// Decision is the answer to whether a line may be logged.
type Decision struct {
	Allowed bool
	// Ref is a short reference. All lines of the same key and interval have the same one.
	Ref string
	// Suppressed is how many lines of this key were suppressed in the interval before. Only the first line of an interval
	// has it.
	Suppressed int
	// FirstSuppressed reports whether this is the first line of its interval that is suppressed.
	FirstSuppressed bool
}

// Allow counts a line and decides whether it may be logged. Lines about the same subject have the same key.
func (t *Throttle) Allow(key string, now time.Time) Decision {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.windows == nil {
		t.windows, t.seed = map[uint64]*window{}, maphash.MakeSeed()
	}
	hash := maphash.String(t.seed, key)
	w := t.windows[hash]
	if w == nil {
		if len(t.windows) >= cmp.Or(t.MaxKeys, defaultMaxKeys) {
			clear(t.windows)
		}
		w = &window{}
		t.windows[hash] = w
	}
	var d Decision
	if w.lines == 0 || !t.isCurrent(w, now) {
		d.Suppressed = w.suppressed
		*w = window{began: now, ref: fmt.Sprintf("%04x", rand.Uint32N(1<<16))}
	}
	w.lines++
	d.Ref = w.ref
	if d.Allowed = w.lines <= max(t.Limit, 1); !d.Allowed {
		w.suppressed++
		d.FirstSuppressed = w.suppressed == 1
	}
	return d
}

// isCurrent reports whether the interval of a window has not ended. It has if the clock was set back.
func (t *Throttle) isCurrent(w *window, now time.Time) bool {
	passed := now.Sub(w.began)
	return passed >= 0 && passed < cmp.Or(t.Interval, defaultInterval)
}

// Retain forgets all keys but these: the next line of another key is allowed.
func (t *Throttle) Retain(keys map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.windows == nil {
		return
	}
	retained := make(map[uint64]bool, len(keys))
	for key := range keys {
		retained[maphash.String(t.seed, key)] = true
	}
	maps.DeleteFunc(t.windows, func(hash uint64, _ *window) bool { return !retained[hash] })
}
