// Package loop owns the one goroutine on which the application runs, its clock and its timers. It runs turns: short callbacks
// that never overlap. A turn may wait for something with Await; other turns run meanwhile, and the waiting one continues later
// exactly where it stopped. The package must not know what a turn does.
//
// The loop runs inside Go coroutines (iter.Pull). Each runs turns until a turn waits inside it; then another coroutine
// takes over. Control passes by direct switches, so that at any moment exactly one of them runs, and the state of the loop's
// owner needs no lock.
package loop

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/quota"
)

// ErrStopped is returned once the loop has ended or is ending: by Post if the turn will not run, and by Await if the loop ends
// before the wait is over.
var ErrStopped = errors.New("loop: stopped")

// Clock tells the time and calls functions later. RealClock is the machine's; tests and specs control their own.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f on a goroutine of its own after d. stop prevents the call and reports whether it was in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// RealClock is the clock of the machine.
type RealClock struct{}

// Now returns the time with its monotonic reading.
func (RealClock) Now() time.Time { return time.Now() }

// AfterFunc calls f after d.
func (RealClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	timer := time.AfterFunc(d, func() { f() })
	return func() bool {
		stopped := timer.Stop()
		if stopped {
			f = nil // the runtime keeps stopped timers for a while, and must not keep what f refers to
		}
		return stopped
	}
}

// Options are the limits and observers of a loop. The zero value is usable.
type Options struct {
	// QueueSize is how many posted turns may be queued before Post blocks. 0 means 4,096.
	QueueSize int
	// MaxWaiting is how many turns may be suspended in Await at once. 0 means 10,000.
	MaxWaiting int
	// MaxDeferred is how many turns may be deferred by Next, Defer and After before CheckDeferred returns an error; each takes some
	// 400 bytes. 0 means 100,000.
	MaxDeferred int
	// Clock is optional. If it is nil, the loop uses RealClock.
	Clock Clock
	// SlowTurn is how long a turn may hold the loop, up to its end or its next wait, before OnSlowTurn is called. 0 disables it.
	SlowTurn time.Duration
	// OnSlowTurn is called on the loop, after the turn. Optional.
	OnSlowTurn func(turn string, held time.Duration)
	// OnRefused is called on the loop if Await or CheckOwner refuses a wait of the present turn. Optional.
	OnRefused func(turn string, e *WaitingError)
	// OnPanic is called on the loop if a turn panics; the loop then goes on with the next turn. If it is nil, the panic is not
	// recovered.
	OnPanic func(turn string, value any, stack []byte)
}

// turn is a callback, the name under which it is logged, and its owner.
type turn struct {
	name     string
	run      func()
	owner    *quota.Owner
	counted  bool // among the deferred turns while it is queued: by Next or Defer; After counts its turns itself
	deferred bool // by Defer or After: other turns need not wait for it
}

// Loop runs turns. Post, PostWithin, Now, Run, Queued and Waiting may be called by any goroutine, the other methods only from
// within a turn.
type Loop struct {
	// Set by New, never changed.
	options Options
	clock   Clock
	wake    chan struct{} // capacity 1; Post and waiters send, the loop receives; never closed

	// Guarded by mu.
	mu       sync.Mutex
	notFull  *sync.Cond   // signalled when inbox was taken or the loop stopped
	inbox    []turn       // posted by other goroutines, or due after a delay
	posted   int          // how many turns of inbox were posted
	woken    []*coroutine // coroutines whose waits have ended
	enqueued int64        // how many turns have been posted and waits have ended, in total
	stopped  bool

	// Written by the loop, read by any goroutine.
	dequeued atomic.Int64 // turns and ended waits that have begun, minus the turns that Next has queued; enqueued minus dequeued are queued
	waiters  atomic.Int64 // len(waiting)

	// Owned by the loop.
	current   *coroutine // the coroutine that runs now
	idle      []*coroutine
	waiting   map[*coroutine]*wait
	batch     []turn // taken from inbox and next; batch[begun:] is still to run
	begun     int
	postponed backlog                 // deferred turns that posted ones overtake
	budgetEnd time.Time               // when the remaining deferred turns of this batch are postponed, or dropped if the loop ends; zero before the first
	dropped   int                     // how many deferred turns have been dropped
	ready     []*coroutine            // taken from woken
	next      []turn                  // queued by Next and Defer
	deferred  int                     // how many turns of Next, Defer and After have neither begun nor been cancelled
	delays    map[*func()]func() bool // those of After, by the function that runs, with what stops its timer
	name      string                  // of the turn that runs now
	owner     *quota.Owner            // of the turn that runs now; nil for the server itself
	began     time.Time               // when the turn began, or its last wait ended
	resume    *coroutine              // the coroutine to switch to when the current one parks
	ending    bool
}

// New returns a loop that does nothing until Run.
func New(options Options) *Loop {
	options.QueueSize = cmp.Or(options.QueueSize, 4096)
	options.MaxWaiting = cmp.Or(options.MaxWaiting, 10_000)
	options.MaxDeferred = cmp.Or(options.MaxDeferred, 100_000)
	if options.Clock == nil {
		options.Clock = RealClock{}
	}
	l := &Loop{
		options: options,
		clock:   options.Clock,
		wake:    make(chan struct{}, 1),
		waiting: map[*coroutine]*wait{},
		delays:  map[*func()]func() bool{},
	}
	l.notFull = sync.NewCond(&l.mu)
	return l
}

// Now returns the loop's time. Any goroutine may call it.
func (l *Loop) Now() time.Time { return l.clock.Now() }

// AfterFunc calls f on another goroutine after d, by the loop's clock. stop prevents the call and reports whether it was in
// time. Any goroutine may call it.
func (l *Loop) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return l.clock.AfterFunc(d, f)
}

// Post queues a turn, from any goroutine but the loop's own. It blocks while QueueSize turns are queued, which is
// back-pressure on the caller. It returns ErrStopped if the turn will never run.
func (l *Loop) Post(name string, run func()) error {
	return l.PostWithin(context.Background(), name, run)
}

// PostWithin is Post with a context. If ctx ends while the queue is full, it returns the cause, and the turn will never run.
// Once queued, a turn runs even if ctx has ended.
func (l *Loop) PostWithin(ctx context.Context, name string, run func()) error {
	l.mu.Lock()
	if l.posted >= l.options.QueueSize {
		defer context.AfterFunc(ctx, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.notFull.Broadcast()
		})()
	}
	for l.posted >= l.options.QueueSize && !l.stopped {
		if ctx.Err() != nil {
			l.mu.Unlock()
			return context.Cause(ctx)
		}
		l.notFull.Wait()
	}
	l.posted++
	return l.enqueue(turn{name: name, run: run})
}

// enqueue queues a turn. The caller holds mu; enqueue unlocks it.
func (l *Loop) enqueue(t turn) error {
	if l.stopped {
		l.mu.Unlock()
		return ErrStopped
	}
	l.inbox = append(l.inbox, t)
	l.enqueued++
	first := len(l.inbox) == 1
	l.mu.Unlock()
	if first {
		l.signal()
	}
	return nil
}

// SetSlowTurn changes Options.SlowTurn.
func (l *Loop) SetSlowTurn(d time.Duration) {
	l.options.SlowTurn = d
	l.began = time.Now() // it is not set while SlowTurn is 0
}

// Queued returns how many turns and ended waits will run after the present turn. Any goroutine may call it.
func (l *Loop) Queued() int {
	dequeued := l.dequeued.Load() // read first, so that the result is never negative
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.enqueued - dequeued)
}

// RunWoken lets the turns whose waits are over continue right after the present turn, before those that are queued.
func (l *Loop) RunWoken() {
	l.mu.Lock()
	l.ready = append(l.ready, l.woken...)
	l.woken = nil
	l.mu.Unlock()
}

// Run runs turns until ctx ends. Turns that were posted by then still run; those that wait are woken with ErrStopped, one after
// the other. Turns of After that are not due are dropped, so that nothing keeps what they refer to. It must be called only once.
func (l *Loop) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, l.stop)()
	l.drive()
	for _, stop := range l.delays {
		stop()
	}
	clear(l.delays)
}

func (l *Loop) stop() {
	l.mu.Lock()
	l.stopped = true
	l.notFull.Broadcast()
	l.mu.Unlock()
	l.signal()
}

// signal wakes the loop if it waits for turns.
func (l *Loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// dequeue returns the next turn, or the next coroutine whose wait is over, or neither if the loop ends.
func (l *Loop) dequeue() (turn, *coroutine) {
	for {
		if len(l.ready) > 0 {
			c := l.ready[0]
			l.ready = l.ready[1:]
			l.dequeued.Add(1)
			return turn{}, c
		}
		if l.begun < len(l.batch) {
			t := l.batch[l.begun]
			l.batch[l.begun] = turn{}
			l.begun++
			if t.deferred && l.budgetSpent() {
				l.postpone(t)
				continue
			}
			l.dequeued.Add(1)
			return t, nil
		}
		if !l.postponed.isEmpty() && !l.budgetSpent() {
			l.dequeued.Add(1)
			return l.postponed.pop(), nil
		}
		if l.refill() {
			continue
		}
		if l.ending {
			return turn{}, nil
		}
		<-l.wake
	}
}

// refill takes what other goroutines posted and what turns deferred, and reports whether there is anything to run. Deferred turns
// line up behind the postponed ones. All deferred turns that run while the loop ends share one budget.
func (l *Loop) refill() bool {
	l.batch, l.begun = l.batch[:0], 0
	if l.ending {
		l.dropPostponed()
	}
	l.mu.Lock()
	l.take(l.inbox)
	clear(l.inbox)
	l.inbox, l.posted = l.inbox[:0], 0
	l.ready, l.woken = l.woken, nil
	if !l.ending {
		l.budgetEnd = time.Time{}
	}
	l.ending = l.stopped
	l.notFull.Broadcast()
	l.mu.Unlock()
	l.take(l.next)
	clear(l.next)
	l.next = l.next[:0]
	return len(l.batch) > 0 || len(l.ready) > 0 || !l.postponed.isEmpty()
}

// take adds turns to the batch, and deferred ones to the postponed turns if there are any.
func (l *Loop) take(turns []turn) {
	for _, t := range turns {
		if t.deferred && !l.postponed.isEmpty() {
			l.postponed.push(t)
		} else {
			l.batch = append(l.batch, t)
		}
	}
}

// runTurn runs a turn, and recovers its panic if there is an OnPanic.
func (l *Loop) runTurn(t turn) {
	l.uncount(t)
	l.beginSlice(t.name, t.owner)
	defer l.endSlice()
	if l.options.OnPanic != nil {
		defer func() {
			if value := recover(); value != nil {
				l.options.OnPanic(t.name, value, debug.Stack())
			}
		}()
	}
	t.run()
}

// beginSlice notes that a turn begins, or continues after a wait.
func (l *Loop) beginSlice(name string, o *quota.Owner) {
	l.name, l.owner = name, o
	if l.options.SlowTurn > 0 {
		l.began = time.Now()
	}
}

// endSlice checks how long a turn has held the loop, up to its end or its next wait.
func (l *Loop) endSlice() {
	if l.options.SlowTurn <= 0 || l.options.OnSlowTurn == nil {
		return
	}
	if held := time.Since(l.began); held > l.options.SlowTurn {
		l.options.OnSlowTurn(l.name, held)
	}
}
