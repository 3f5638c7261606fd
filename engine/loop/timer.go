package loop

import (
	"fmt"
	"time"

	"perigee/engine/quota"
)

// TimerOptions describe a timer.
type TimerOptions struct {
	// Name is part of the name of its turns.
	Name string
	// Every is the interval; less than a millisecond counts as one.
	Every time.Duration
	// Once ends the timer after its first run.
	Once bool
	// Timeout ends the timer that long after its beginning. 0 disables it.
	Timeout time.Duration
	// Run is the work. It may wait: runs that fall due meanwhile are skipped.
	Run func()
	// OnEnd is called once, when the timer will not run any more. Optional.
	OnEnd func()
}

// Timer is repeated or delayed work on a loop, and like it must be used only from within a turn. It is due at its beginning
// plus a multiple of its interval, however long its runs take. Missed runs are not made up for, and while a run waits the next
// ones are skipped.
type Timer struct {
	loop    *Loop
	options TimerOptions
	turn    string
	owner   *quota.Owner // of its turns
	began   time.Time

	started   bool          // it does not run before Start
	due       time.Time     // of the next run, unless paused
	left      time.Duration // until the next run, while paused
	cancel    func()        // prevents the next run; nil if none is scheduled
	paused    bool
	over      bool
	endCalled bool  // OnEnd has been called
	busy      *bool // a run is in progress; shared with the timer that takes over
	count     int
}

// NewTimer returns a timer whose time begins now, but which does not run before Start. Its runs belong to the owner of the present
// turn; a timer of the server itself is an owner of its own.
func NewTimer(l *Loop, o TimerOptions) *Timer {
	o.Every = max(o.Every, time.Millisecond)
	now := l.Now()
	owner := l.owner
	if owner == nil {
		owner = quota.NewOwner(nil)
	}
	return &Timer{loop: l, options: o, turn: "timer " + o.Name, owner: owner, began: now, due: now.Add(o.Every), busy: new(bool)}
}

// Start lets the timer run.
func (t *Timer) Start() {
	t.started = true
	if !t.paused && !t.over {
		t.schedule()
	}
}

// TakeOver makes a timer that has not been started the successor of one that runs, which it cancels. It keeps the count, the
// beginning, from which the timeout counts, and the time that was left, lengthened or shortened by the difference of the
// intervals. It is a no-op if the other timer has ended.
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

// end returns when the timer times out. The zero time is never.
func (t *Timer) end() time.Time {
	if t.options.Timeout <= 0 {
		return time.Time{}
	}
	return t.began.Add(t.options.Timeout)
}

// schedule schedules the next run, unless the timeout comes before it.
func (t *Timer) schedule() {
	t.cancel = nil
	if !t.started {
		return
	}
	if end := t.end(); !end.IsZero() && t.due.After(end) {
		t.finish()
		return
	}
	t.loop.As(t.owner, func() { t.cancel = t.loop.After(t.due.Sub(t.loop.Now()), t.turn, t.fire) })
}

func (t *Timer) unschedule() {
	if t.cancel != nil {
		t.cancel()
		t.cancel = nil
	}
}

// finish calls OnEnd. Additional calls are no-ops.
func (t *Timer) finish() {
	if t.endCalled {
		return
	}
	t.endCalled = true
	if t.options.OnEnd != nil {
		t.options.OnEnd()
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
		t.schedule()
	}
	if *t.busy {
		return
	}
	t.count++
	*t.busy = true
	defer func() { *t.busy = false }()
	t.options.Run()
}

// ended reports whether the timer will not run any more. A paused timer has not ended.
func (t *Timer) ended() bool {
	end := t.end()
	return t.over || !end.IsZero() && t.loop.Now().After(end)
}

// Due returns the time until the next run, and whether one is scheduled.
func (t *Timer) Due() (left time.Duration, scheduled bool) {
	return t.due.Sub(t.loop.Now()), t.cancel != nil
}

// Left returns the time until the next run; of a paused timer, the time that is left after Resume.
func (t *Timer) Left() time.Duration {
	if t.paused {
		return t.left
	}
	return t.due.Sub(t.loop.Now())
}

// Paused reports whether the timer waits for Resume.
func (t *Timer) Paused() bool { return t.paused && !t.ended() }

// Pause stops the timer until Resume.
func (t *Timer) Pause() {
	if t.paused || t.ended() {
		return
	}
	t.paused = true
	t.left = max(0, t.due.Sub(t.loop.Now()))
	t.unschedule()
}

// Resume lets a paused timer run again after the time that was left. It returns an error if the timer has ended.
func (t *Timer) Resume() error {
	if t.ended() {
		return fmt.Errorf("timer %q has ended", t.options.Name)
	}
	if t.paused {
		t.paused = false
		t.due = t.loop.Now().Add(t.left)
		t.schedule()
	}
	return nil
}

// Cancel ends the timer.
func (t *Timer) Cancel() {
	t.over = true
	t.unschedule()
	t.finish()
}

// Count returns how often the timer has run.
func (t *Timer) Count() int { return t.count }

// Running reports whether the timer is neither paused nor over.
func (t *Timer) Running() bool { return !t.paused && !t.ended() }
