package loop

import "iter"

// routine is a coroutine that takes turns.
type routine struct {
	next  func() (struct{}, bool) // switches to it, until it parks
	stop  func()
	yield func(struct{}) bool // switches back to drive; set by the coroutine itself
}

// drive switches between coroutines until one of them finds the loop at its end.
func (l *Loop) drive() {
	for {
		r := l.resume
		l.resume = nil
		if r == nil {
			r = l.spare()
		}
		l.current = r
		if _, more := r.next(); !more && l.resume == nil {
			break
		}
	}
	for _, r := range l.idle {
		r.stop()
	}
	l.idle = nil
}

// spare returns a coroutine that is free to take turns.
func (l *Loop) spare() *routine {
	if n := len(l.idle); n > 0 {
		r := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return r
	}
	r := &routine{}
	r.next, r.stop = iter.Pull(func(yield func(struct{}) bool) {
		r.yield = yield
		l.turns(r)
	})
	return r
}

// maxIdle is how many coroutines are kept for later: after ten thousand turns have waited at once, most are given back.
const maxIdle = 64

// turns is the body of a coroutine. It returns when the loop has ended, when enough others are idle, or when drive stops
// it while it is idle.
func (l *Loop) turns(r *routine) {
	for {
		t, woken := l.take()
		switch {
		case woken != nil:
			l.resume = woken
			if len(l.idle) >= maxIdle {
				return
			}
			l.idle = append(l.idle, r)
			if !r.yield(struct{}{}) {
				return
			}
		case t.run != nil:
			l.perform(t)
		case !l.endWaits():
			return
		}
	}
}

// endWaits wakes every turn that waits, now that the loop ends, and tells whether there were any.
func (l *Loop) endWaits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r, w := range l.waiting {
		if !w.over {
			w.over, w.stopped = true, true
			l.ready = append(l.ready, r)
			l.came++
		}
	}
	return len(l.waiting) > 0
}

// wait is one call of Await.
type wait struct {
	// Guarded by Loop.mu.
	over    bool // the routine is, or was, queued to go on; nothing may queue it again for this wait
	stopped bool // because the loop ends
}

// Await suspends the turn that calls it until wake is called, and lets other turns run meanwhile. start is called first,
// on the loop, and hands wake to whatever will finish the wait; wake may be called by any goroutine, more than once,
// and before start has returned. Await returns ErrTooManyWaiting, without calling start, when no more turns may wait,
// and ErrStopped when the loop ends before wake was called.
func (l *Loop) Await(start func(wake func())) error {
	if l.ending {
		return ErrStopped
	}
	if len(l.waiting) >= l.options.MaxWaiting {
		return ErrTooManyWaiting
	}
	r, w, name := l.current, &wait{}, l.name
	start(func() { l.wakeUp(r, w) })
	l.end()
	l.waiting[r] = w
	l.waiters.Store(int64(len(l.waiting)))
	r.yield(struct{}{})
	delete(l.waiting, r)
	l.waiters.Store(int64(len(l.waiting)))
	l.begin(name)
	if w.stopped {
		return ErrStopped
	}
	return nil
}

func (l *Loop) wakeUp(r *routine, w *wait) {
	l.mu.Lock()
	if w.over {
		l.mu.Unlock()
		return
	}
	w.over = true
	l.woken = append(l.woken, r)
	l.came++
	l.mu.Unlock()
	l.nudge()
}

// Waiting returns how many turns are suspended. Any goroutine may call it.
func (l *Loop) Waiting() int { return int(l.waiters.Load()) }
