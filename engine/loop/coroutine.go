package loop

import (
	"iter"
	"time"

	"perigee/engine/quota"
)

// coroutine is a Go coroutine that runs turns.
type coroutine struct {
	next  func() (struct{}, bool) // switches to it until it parks
	stop  func()
	yield func(struct{}) bool // switches back to drive; set by the coroutine itself
}

// drive switches between coroutines until one of them finds that the loop has ended.
func (l *Loop) drive() {
	for {
		c := l.resume
		l.resume = nil
		if c == nil {
			c = l.idleCoroutine()
		}
		l.current = c
		if _, more := c.next(); !more && l.resume == nil {
			break
		}
	}
	for _, c := range l.idle {
		c.stop()
	}
	l.idle = nil
}

// idleCoroutine returns a coroutine that is free to run turns.
func (l *Loop) idleCoroutine() *coroutine {
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return c
	}
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		l.runTurns(c)
	})
	return c
}

// maxIdle is how many idle coroutines are kept. After ten thousand turns have waited at once, most of them are released.
const maxIdle = 64

// runTurns is the body of a coroutine. It returns when the loop has ended, when maxIdle others are idle, or when drive stops it
// while it is idle.
func (l *Loop) runTurns(c *coroutine) {
	for {
		t, woken := l.dequeue()
		switch {
		case woken != nil:
			l.resume = woken
			if len(l.idle) >= maxIdle {
				return
			}
			l.idle = append(l.idle, c)
			if !c.yield(struct{}{}) {
				return
			}
		case t.run != nil:
			l.runTurn(t)
		case !l.stopWaits():
			return
		}
	}
}

// stopWaits wakes every turn that waits, because the loop ends, and reports whether there were any.
func (l *Loop) stopWaits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, w := range l.waiting {
		if !w.over {
			w.over, w.stopped = true, true
			l.ready = append(l.ready, c)
			l.enqueued++
		}
	}
	return len(l.waiting) > 0
}

// wait is one call of Await.
type wait struct {
	// Set by Await, never changed.
	name  string // of the turn
	began time.Time

	// Guarded by Loop.mu.
	over    bool // the coroutine is, or was, queued to continue; it must not be queued again for this wait
	stopped bool // the wait is over because the loop ends
}

// Await suspends the turn that calls it until wake is called, and lets other turns run meanwhile. start is called first, on the
// loop, and passes wake to the code that will end the wait. wake may be called by any goroutine, more than once, and before
// start has returned. Await returns a *WaitingError, without calling start, if the turn must not wait, and ErrStopped if the
// loop ends before wake was called.
func (l *Loop) Await(start func(wake func())) error {
	if l.ending {
		return ErrStopped
	}
	if e := l.refusal(); e != nil {
		return l.refuse(e)
	}
	c, w, name, owner := l.current, &wait{name: l.name, began: l.Now()}, l.name, l.owner
	start(func() { l.wakeUp(c, w) })
	l.endSlice()
	l.waiting[c] = w
	l.waiters.Store(int64(len(l.waiting)))
	owner.Add(quota.Waiting, 1)
	c.yield(struct{}{})
	owner.Add(quota.Waiting, -1)
	delete(l.waiting, c)
	l.waiters.Store(int64(len(l.waiting)))
	l.beginSlice(name, owner)
	if w.stopped {
		return ErrStopped
	}
	return nil
}

func (l *Loop) wakeUp(c *coroutine, w *wait) {
	l.mu.Lock()
	if w.over {
		l.mu.Unlock()
		return
	}
	w.over = true
	l.woken = append(l.woken, c)
	l.enqueued++
	l.mu.Unlock()
	l.signal()
}

// Waits returns, by the name of their turn, how many turns are suspended, and since when the first of them is.
func (l *Loop) Waits() map[string]Waits {
	all := map[string]Waits{}
	for _, w := range l.waiting {
		of := all[w.name]
		if of.Count++; of.Count == 1 || w.began.Before(of.Since) {
			of.Since = w.began
		}
		all[w.name] = of
	}
	return all
}

// Waits are suspended turns of one name.
type Waits struct {
	Count int
	Since time.Time
}

// Waiting returns how many turns are suspended. Any goroutine may call it.
func (l *Loop) Waiting() int { return int(l.waiters.Load()) }
