// Package timer owns repeated and delayed work on a loop: when it is due, whether it is paused or over, and what a timer
// keeps of one that it takes over from. It does not know what the work is, nor who asked for it.
//
// Everything here belongs to the loop.
package timer

import (
	"fmt"
	"time"

	"perigee/engine/loop"
)

// Options describe a timer.
type Options struct {
	// Name is what its turns are called after.
	Name string
	// Every is the interval; less than a millisecond counts as one.
	Every time.Duration
	// Once makes it end after the first run.
	Once bool
	// Timeout ends it that long after its beginning; 0 is never.
	Timeout time.Duration
	// Run is the work. It may wait: runs that fall due meanwhile are left out.
	Run func()
	// Ended is called once, when no run will come any more; nil is nobody.
	Ended func()
}

// Timer is repeated or delayed work. It is due at its beginning plus a multiple of its interval, however long its runs
// take; what it misses is not made up for, and while a run waits the next ones are left out.
type Timer struct {
	loop    *loop.Loop
	options Options
	turn    string
	began   time.Time

	held   bool          // it does not run before Start
	due    time.Time     // of the next run, unless paused
	left   time.Duration // until the next run, while paused
	cancel func()        // what prevents the next run; nil when none is set
	paused bool
	over   bool
	told   bool  // Ended has been called
	busy   *bool // a run is under way; shared with the timer that takes over
	count  int
}

// New returns a timer that begins now and is held back until Start.
func New(l *loop.Loop, o Options) *Timer {
	o.Every = max(o.Every, time.Millisecond)
	now := l.Now()
	return &Timer{loop: l, options: o, turn: "timer " + o.Name, began: now, held: true, due: now.Add(o.Every), busy: new(bool)}
}

// Start lets a timer run that was held back.
func (t *Timer) Start() {
	t.held = false
	if !t.paused && !t.over {
		t.arm()
	}
}

// TakeOver puts a timer that is held back in the place of one that runs: it keeps the time that was left, lengthened or
// shortened as the interval is, the count, and the beginning that the timeout is reckoned from. The other one ends. One that
// has ended leaves nothing to take over.
func (t *Timer) TakeOver(other *Timer) {
	if other.ended() {
		return
	}
	now := t.loop.Now()
	left := other.left
	if !other.paused {
		left = other.due.Sub(now)
	}
	left = max(0, left-other.options.Every+t.options.Every)
	t.due, t.left = now.Add(left), left
	t.began, t.count, t.busy = other.began, other.count, other.busy
	other.Cancel()
}

// end is when the timer times out; zero is never.
func (t *Timer) end() time.Time {
	if t.options.Timeout <= 0 {
		return time.Time{}
	}
	return t.began.Add(t.options.Timeout)
}

// arm sets the next run, unless the timeout comes before it.
func (t *Timer) arm() {
	t.cancel = nil
	if t.held {
		return
	}
	if end := t.end(); !end.IsZero() && t.due.After(end) {
		t.finish()
		return
	}
	t.cancel = t.loop.After(t.due.Sub(t.loop.Now()), t.turn, t.fire)
}

func (t *Timer) disarm() {
	if t.cancel != nil {
		t.cancel()
		t.cancel = nil
	}
}

// finish tells, once, that no run will come any more.
func (t *Timer) finish() {
	if t.told {
		return
	}
	t.told = true
	if t.options.Ended != nil {
		t.options.Ended()
	}
}

// fire is the turn of a run.
func (t *Timer) fire() {
	t.cancel = nil
	if t.options.Once {
		t.over = true
		defer t.finish()
	} else {
		missed := max(0, t.loop.Now().Sub(t.due)) / t.options.Every
		t.due = t.due.Add((missed + 1) * t.options.Every)
		t.arm()
	}
	if *t.busy {
		return
	}
	t.count++
	*t.busy = true
	defer func() { *t.busy = false }()
	t.options.Run()
}

// ended tells whether no run will come any more, paused or not.
func (t *Timer) ended() bool {
	end := t.end()
	return t.over || !end.IsZero() && t.loop.Now().After(end)
}

// Due returns how long it is until the next run, and false where none is set.
func (t *Timer) Due() (left time.Duration, set bool) {
	return t.due.Sub(t.loop.Now()), t.cancel != nil
}

// Pause keeps it from running until Resume.
func (t *Timer) Pause() {
	if t.paused || t.ended() {
		return
	}
	t.paused = true
	t.left = max(0, t.due.Sub(t.loop.Now()))
	t.disarm()
}

// Resume lets it run again after the time that was left. The error says that it has ended.
func (t *Timer) Resume() error {
	if t.ended() {
		return fmt.Errorf("timer: resume %q: it has ended", t.options.Name)
	}
	if t.paused {
		t.paused = false
		t.due = t.loop.Now().Add(t.left)
		t.arm()
	}
	return nil
}

// Cancel ends it for good.
func (t *Timer) Cancel() {
	t.over = true
	t.disarm()
	t.finish()
}

// Count is how often it has run.
func (t *Timer) Count() int { return t.count }

// Running tells whether it is neither paused nor over.
func (t *Timer) Running() bool { return !t.paused && !t.ended() }
