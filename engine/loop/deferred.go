package loop

import (
	"cmp"
	"time"
)

// deferredBudget is how long deferred turns may hold up others if Options.SlowTurn is 0.
const deferredBudget = 50 * time.Millisecond

// Next runs a turn after those that are queued already, and never blocks. It is for turns that must run and are few.
func (l *Loop) Next(name string, run func()) { l.putNext(turn{name: name, run: run}) }

// Defer is Next for turns that may defer others without end, such as those of scripts. Together they hold up all other turns for
// Options.SlowTurn at most, and then wait until those have run. When the loop ends, deferred turns still run for that long; the
// rest is dropped.
func (l *Loop) Defer(name string, run func()) { l.putNext(turn{name: name, run: run, deferred: true}) }

func (l *Loop) putNext(t turn) {
	t.owner, t.counted = l.owner, true
	l.addDeferred(t.owner, 1)
	l.next = append(l.next, t)
	l.dequeued.Add(-1)
}

// Dropped returns how many deferred turns were dropped. It must not be called before Run has returned.
func (l *Loop) Dropped() int { return l.dropped }

// addDeferred changes the count of the deferred turns, and that of an owner.
func (l *Loop) addDeferred(o *Owner, n int) {
	l.deferred += n
	o.addDeferred(n)
}

// uncount ends the count of a turn of Next or Defer.
func (l *Loop) uncount(t turn) {
	if t.counted {
		l.addDeferred(t.owner, -1)
	}
}

// After defers a turn, as Defer does, once d has passed. cancel prevents it as long as it has not begun. Both must be called from
// within a turn.
func (l *Loop) After(d time.Duration, name string, run func()) (cancel func()) {
	owner := l.owner
	l.addDeferred(owner, 1)
	stop := l.clock.AfterFunc(d, func() {
		l.mu.Lock()
		// It does not count against QueueSize: thousands may be due at once, each on a goroutine. If the loop has stopped, the
		// turn is dropped.
		_ = l.enqueue(turn{name: name, owner: owner, deferred: true, run: func() {
			if now := run; now != nil {
				run = nil
				l.addDeferred(owner, -1)
				now()
			}
		}})
	})
	return func() {
		if run != nil {
			run = nil
			l.addDeferred(owner, -1)
			stop()
		}
	}
}

// budgetSpent reports whether the deferred turns of this batch have held up the others for long enough. The first one always runs.
func (l *Loop) budgetSpent() bool {
	now := time.Now()
	if l.budgetEnd.IsZero() {
		l.budgetEnd = now.Add(cmp.Or(l.options.SlowTurn, deferredBudget))
		return false
	}
	return now.After(l.budgetEnd)
}

// postpone moves a deferred turn to the next batch, or drops it if the loop ends.
func (l *Loop) postpone(t turn) {
	if l.ending {
		l.uncount(t)
		l.dropped++
		l.dequeued.Add(1)
		return
	}
	l.postponed = append(l.postponed, t)
}
