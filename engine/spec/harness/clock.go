package harness

import (
	"slices"
	"sync"
	"time"
)

// StartTime is when every server of a spec starts: a fixed time, so that all runs are the same.
func StartTime() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// clock is a loop.Clock that only moves when it is advanced.
type clock struct {
	mu sync.Mutex
	// Guarded by mu.
	now    time.Time
	alarms []*alarm // in the order in which they were set
}

// alarm is one call of AfterFunc.
type alarm struct {
	due time.Time
	run func()
}

// Now returns the time of the clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f when the clock reaches that time, in the goroutine that advances it.
func (c *clock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{c.now.Add(max(0, d)), f}
	c.alarms = append(c.alarms, a)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.remove(a)
	}
}

func (c *clock) remove(a *alarm) bool {
	i := slices.Index(c.alarms, a)
	if i < 0 {
		return false
	}
	c.alarms = slices.Delete(c.alarms, i, i+1)
	return true
}

// step moves the clock to the earliest alarm that is due at end or before, and calls it. It reports whether there was one.
func (c *clock) step(end time.Time) bool {
	c.mu.Lock()
	var first *alarm
	for _, a := range c.alarms {
		if !a.due.After(end) && (first == nil || a.due.Before(first.due)) {
			first = a
		}
	}
	if first == nil {
		c.mu.Unlock()
		return false
	}
	c.remove(first)
	if first.due.After(c.now) {
		c.now = first.due
	}
	c.mu.Unlock()
	first.run()
	return true
}

// set moves the clock forward.
func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}
