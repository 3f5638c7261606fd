// Package loop owns the one goroutine on which the application lives, and its clock. It takes turns: short callbacks
// that never overlap. A turn may wait for something with Await; other turns are taken meanwhile, and the waiting one
// goes on later exactly where it stopped. The package knows nothing of what a turn does.
//
// The loop runs inside Go coroutines (iter.Pull). Each takes turns until a turn waits inside it; then another coroutine
// takes over. Control passes by direct switches, so that at any moment one of them runs and no state of the loop's
// owner needs a lock.
package loop

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// ErrStopped is returned once the loop has ended or is ending: by Post for a turn that will not be taken, and by Await
// for a wait that will not be fulfilled.
var ErrStopped = errors.New("loop: stopped")

// ErrTooManyWaiting is returned by Await when Options.MaxWaiting turns wait already.
var ErrTooManyWaiting = errors.New("loop: too many turns are waiting")

// ErrTooManyPutOff is returned by Room when Options.MaxPutOff turns are put off already.
var ErrTooManyPutOff = errors.New("loop: too many turns are put off")

// Clock tells the time and calls back later. The real one is RealClock; tests and specs move their own.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f on a goroutine of its own after d. stop prevents the call and tells whether it was in time.
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
			f = nil // the runtime keeps timers that were stopped for a while, and must not keep what f holds
		}
		return stopped
	}
}

// Options are the limits and observers of a loop. The zero value is usable.
type Options struct {
	// QueueSize is how many posted turns may wait to be taken before Post blocks. 0 means 4,096.
	QueueSize int
	// MaxWaiting is how many turns may be suspended in Await at once. 0 means 10,000.
	MaxWaiting int
	// MaxPutOff is how many turns may be put off by Next and After before Room says so; each holds some 400 bytes. 0 means
	// 100,000.
	MaxPutOff int
	// Clock is RealClock where nil.
	Clock Clock
	// SlowTurn is the time a turn may hold the loop, up to its end or its next wait, before Slow hears of it. 0 is off.
	SlowTurn time.Duration
	// Slow is called on the loop, after the turn.
	Slow func(turn string, held time.Duration)
	// Panicked is called on the loop when a turn panicked; the next turn is taken all the same. Where nil, the panic goes on.
	Panicked func(turn string, value any, stack []byte)
}

// turn is one callback and the name it is logged under.
type turn struct {
	name string
	run  func()
}

// Loop takes turns. Post, PostWithin, Now, Run, Queued and Waiting may be called by any goroutine; all else only from within a
// turn.
type Loop struct {
	// Set by New, never changed.
	options Options
	clock   Clock
	wake    chan struct{} // capacity 1; Post and waiters send, the loop receives; never closed

	// Guarded by mu.
	mu      sync.Mutex
	room    *sync.Cond // signalled when inbox was taken or the loop stopped
	inbox   []turn     // posted by other goroutines
	woken   []*routine // waits that are over
	came    int64      // how many turns were ever posted, and waits ever over
	stopped bool

	// Written by the loop, read by any goroutine.
	taken   atomic.Int64 // how many of those that came, or were put off, it has taken, less those that turns put off
	waiters atomic.Int64 // len(waiting)

	// Owned by the loop.
	current *routine // the coroutine that runs now
	idle    []*routine
	waiting map[*routine]*wait
	batch   []turn // what was taken from inbox; batch[begun:] is still to run
	begun   int
	ready   []*routine // what was taken from woken
	next    []turn     // put there by turns
	delayed int        // turns of After that are neither taken nor cancelled
	name    string     // of the turn that runs now
	began   time.Time  // when the slice that runs now began
	resume  *routine   // whom to switch to when the present coroutine parks
	ending  bool
	rounds  int // in which turns were gathered since the end began
}

// lastRounds bounds how often turns may put off others once the loop ends: one that always puts off another would keep
// it from its end.
const lastRounds = 100

// New returns a loop that does nothing until Run.
func New(options Options) *Loop {
	if options.QueueSize == 0 {
		options.QueueSize = 4096
	}
	if options.MaxWaiting == 0 {
		options.MaxWaiting = 10_000
	}
	if options.MaxPutOff == 0 {
		options.MaxPutOff = 100_000
	}
	if options.Clock == nil {
		options.Clock = RealClock{}
	}
	l := &Loop{
		options: options,
		clock:   options.Clock,
		wake:    make(chan struct{}, 1),
		waiting: map[*routine]*wait{},
	}
	l.room = sync.NewCond(&l.mu)
	return l
}

// Now returns the loop's time. Any goroutine may call it.
func (l *Loop) Now() time.Time { return l.clock.Now() }

// AfterFunc calls f on another goroutine after d, by the loop's clock. stop prevents the call and reports whether it was in
// time. Any goroutine may call it.
func (l *Loop) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return l.clock.AfterFunc(d, f)
}

// Post hands the loop a turn, from any goroutine but the loop's own. It blocks while QueueSize turns wait: that is
// back-pressure on whoever posts. It returns ErrStopped when the turn will never run.
func (l *Loop) Post(name string, run func()) error {
	return l.PostWithin(context.Background(), name, run)
}

// PostWithin is Post for those that have not got for ever: when ctx ends before there is room, it returns why, and the turn
// will never run. One that is handed over runs, however late.
func (l *Loop) PostWithin(ctx context.Context, name string, run func()) error {
	l.mu.Lock()
	if len(l.inbox) >= l.options.QueueSize {
		release := context.AfterFunc(ctx, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.room.Broadcast()
		})
		defer release()
	}
	for len(l.inbox) >= l.options.QueueSize && !l.stopped {
		if ctx.Err() != nil {
			l.mu.Unlock()
			return context.Cause(ctx)
		}
		l.room.Wait()
	}
	return l.put(turn{name, run})
}

// put queues a turn. It is called with mu held, and gives it back.
func (l *Loop) put(t turn) error {
	if l.stopped {
		l.mu.Unlock()
		return ErrStopped
	}
	l.inbox = append(l.inbox, t)
	l.came++
	first := len(l.inbox) == 1
	l.mu.Unlock()
	if first {
		l.nudge()
	}
	return nil
}

// Next runs a turn after those that are queued on the loop already, without ever blocking. Once the loop ends, turns that
// are put off by turns that were put off themselves, a hundred times over, are dropped.
func (l *Loop) Next(name string, run func()) {
	l.next = append(l.next, turn{name, run})
	l.taken.Add(-1)
}

// Room returns ErrTooManyPutOff where no more turns should be put off: for callers whose turns put off others without
// end. Next and After do not ask.
func (l *Loop) Room() error {
	if len(l.batch)-l.begun+len(l.next)+l.delayed >= l.options.MaxPutOff {
		return ErrTooManyPutOff
	}
	return nil
}

// SetSlowTurn changes Options.SlowTurn.
func (l *Loop) SetSlowTurn(d time.Duration) {
	l.options.SlowTurn = d
	l.began = time.Now() // it may not have been noted so far
}

// Queued returns how many turns and ended waits are to be taken after the present turn. Any goroutine may call it.
func (l *Loop) Queued() int {
	taken := l.taken.Load() // first, so that nothing was taken that has not come
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.came - taken)
}

// Rouse has the turns whose waits are over go on right after the present turn, before those that are queued.
func (l *Loop) Rouse() {
	l.mu.Lock()
	l.ready = append(l.ready, l.woken...)
	l.woken = nil
	l.mu.Unlock()
}

// After runs a turn once d has passed. cancel prevents it, also when its time has come but its turn has not.
// Both must be called from within a turn.
func (l *Loop) After(d time.Duration, name string, run func()) (cancel func()) {
	l.delayed++
	stop := l.clock.AfterFunc(d, func() {
		l.mu.Lock()
		// It does not wait for room in the queue: thousands may be due at once, each on a goroutine. A loop that has stopped
		// needs no timers any more.
		_ = l.put(turn{name, func() {
			if now := run; now != nil {
				run = nil
				l.delayed--
				now()
			}
		}})
	})
	return func() {
		if run != nil {
			run = nil
			l.delayed--
			stop()
		}
	}
}

// Run takes turns until ctx ends. Turns that are posted by then are still taken; those that wait are woken with
// ErrStopped, one after the other. It may be called once.
func (l *Loop) Run(ctx context.Context) {
	release := context.AfterFunc(ctx, l.stop)
	defer release()
	l.drive()
}

func (l *Loop) stop() {
	l.mu.Lock()
	l.stopped = true
	l.room.Broadcast()
	l.mu.Unlock()
	l.nudge()
}

func (l *Loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns the next turn, or the coroutine whose wait is over, or neither when the loop ends.
func (l *Loop) take() (turn, *routine) {
	for {
		if len(l.ready) > 0 {
			r := l.ready[0]
			l.ready = l.ready[1:]
			l.taken.Add(1)
			return turn{}, r
		}
		if l.begun < len(l.batch) {
			t := l.batch[l.begun]
			l.batch[l.begun] = turn{}
			l.begun++
			l.taken.Add(1)
			return t, nil
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

// refill gathers what other goroutines posted and what turns put off, and tells whether there was anything.
func (l *Loop) refill() bool {
	l.mu.Lock()
	l.batch, l.inbox = l.inbox, l.batch[:0]
	l.ready, l.woken = l.woken, nil
	l.ending = l.stopped
	l.room.Broadcast()
	l.mu.Unlock()
	l.begun = 0
	if l.ending {
		if l.rounds++; l.rounds > lastRounds {
			l.taken.Add(int64(len(l.next)))
			clear(l.next)
			l.next = l.next[:0]
		}
	}
	l.batch = append(l.batch, l.next...)
	clear(l.next)
	l.next = l.next[:0]
	return len(l.batch) > 0 || len(l.ready) > 0
}

// perform runs one turn and keeps a panic from ending the loop.
func (l *Loop) perform(t turn) {
	l.begin(t.name)
	defer l.end()
	if l.options.Panicked != nil {
		defer func() {
			if value := recover(); value != nil {
				l.options.Panicked(t.name, value, debug.Stack())
			}
		}()
	}
	t.run()
}

func (l *Loop) begin(name string) {
	l.name = name
	if l.options.SlowTurn > 0 {
		l.began = time.Now()
	}
}

func (l *Loop) end() {
	if l.options.SlowTurn <= 0 || l.options.Slow == nil {
		return
	}
	if held := time.Since(l.began); held > l.options.SlowTurn {
		l.options.Slow(l.name, held)
	}
}
