package loop

import (
	"cmp"
	"time"

	"perigee/engine/quota"
)

// deferredBudget is how long deferred turns may hold up others if Options.SlowTurn is 0.
const deferredBudget = 50 * time.Millisecond

// Next runs a turn after those that are queued already, and never blocks. It is for turns that must run and are few.
func (l *Loop) Next(name string, run func()) { l.putNext(turn{name: name, run: run}) }

// Defer is Next for turns that may defer others without end, such as those of scripts. Together they hold up all other turns for
// Options.SlowTurn at most, and then wait until those have run; of turns that have waited, the owners take turns. When the loop ends,
// deferred turns still run for that long; the rest is dropped.
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
func (l *Loop) addDeferred(o *quota.Owner, n int) {
	l.deferred += n
	o.Add(quota.Deferred, n)
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
				delete(l.delays, &run)
				l.addDeferred(owner, -1)
				now()
			}
		}})
	})
	l.delays[&run] = stop
	return func() {
		if run != nil {
			run = nil
			delete(l.delays, &run)
			l.addDeferred(owner, -1)
			stop()
		}
	}
}

// budgetSpent reports whether the deferred turns have held up the others for long enough since refill. The first one always runs.
func (l *Loop) budgetSpent() bool {
	now := time.Now()
	if l.budgetEnd.IsZero() {
		l.budgetEnd = now.Add(cmp.Or(l.options.SlowTurn, deferredBudget))
		return false
	}
	return now.After(l.budgetEnd)
}

// postpone lets posted turns overtake a deferred turn, or drops it if the loop ends.
func (l *Loop) postpone(t turn) {
	if l.ending {
		l.drop(t)
		return
	}
	l.postponed.push(t)
}

// dropPostponed drops all postponed turns.
func (l *Loop) dropPostponed() {
	for !l.postponed.isEmpty() {
		l.drop(l.postponed.pop())
	}
}

func (l *Loop) drop(t turn) {
	l.uncount(t)
	l.dropped++
	l.dequeued.Add(1)
}

// backlog is a queue of turns in which owners take turns, so that no owner's turn waits behind all those of another one. The turns
// of one owner keep their order. The zero value is empty.
type backlog struct {
	owners map[*quota.Owner]*ownerBacklog
	next   []*ownerBacklog // the owners that have turns, the first one is next
}

// ownerBacklog is a queue of the turns of one owner.
type ownerBacklog struct {
	owner *quota.Owner // nil for the server itself
	turns []turn
}

func (b *backlog) isEmpty() bool { return len(b.next) == 0 }

func (b *backlog) push(t turn) {
	o := b.owners[t.owner]
	if o == nil {
		if b.owners == nil {
			b.owners = map[*quota.Owner]*ownerBacklog{}
		}
		o = &ownerBacklog{owner: t.owner}
		b.owners[t.owner] = o
		b.next = append(b.next, o)
	}
	o.turns = append(o.turns, t)
}

// pop takes the next turn. The backlog must not be empty.
func (b *backlog) pop() turn {
	o := b.next[0]
	b.next[0] = nil
	b.next = b.next[1:]
	t := o.turns[0]
	o.turns[0] = turn{}
	o.turns = o.turns[1:]
	if len(o.turns) > 0 {
		b.next = append(b.next, o)
	} else {
		delete(b.owners, o.owner)
	}
	return t
}
