package manager

import (
	"fmt"
	"time"

	"perigee/engine/script"
)

// timer is repeated or delayed work. It is due at its start plus a multiple of its interval, however long its runs take;
// what it misses is not made up for, and while a run waits the next ones are left out.
type timer struct {
	manager *Manager
	options script.TimerOptions
	turn    string
	end     time.Time // when it times out; zero is never

	due    time.Time     // of the next run, unless paused
	left   time.Duration // until the next run, while paused
	cancel func()        // what prevents the next run; nil when none is set
	paused bool
	over   bool
	busy   bool // a run is under way
	count  int
}

func (m *Manager) startTimer(o script.TimerOptions) *timer {
	o.Every = max(o.Every, time.Millisecond)
	now := m.loop.Now()
	t := &timer{manager: m, options: o, turn: "timer " + o.Name, due: now.Add(o.Every)}
	if o.Timeout > 0 {
		t.end = now.Add(o.Timeout)
	}
	t.arm()
	return t
}

// arm sets the next run, unless the timeout comes before it.
func (t *timer) arm() {
	t.cancel = nil
	if t.end.IsZero() || !t.due.After(t.end) {
		t.cancel = t.manager.loop.After(t.due.Sub(t.manager.loop.Now()), t.turn, t.fire)
	}
}

func (t *timer) disarm() {
	if t.cancel != nil {
		t.cancel()
		t.cancel = nil
	}
}

// fire is the turn of a run.
func (t *timer) fire() {
	t.cancel = nil
	if t.options.Once {
		t.over = true
	} else {
		missed := max(0, t.manager.loop.Now().Sub(t.due)) / t.options.Every
		t.due = t.due.Add((missed + 1) * t.options.Every)
		t.arm()
	}
	if t.busy {
		return
	}
	t.count++
	if err := t.run(); err != nil {
		t.manager.fail(t.turn, nil, "", err)
	}
	t.manager.settle()
}

func (t *timer) run() error {
	t.busy = true
	defer func() { t.busy = false }()
	return t.options.Run()
}

// ended tells whether no run will come any more, paused or not.
func (t *timer) ended() bool {
	return t.over || !t.end.IsZero() && t.manager.loop.Now().After(t.end)
}

func (t *timer) Pause() {
	if t.paused || t.ended() {
		return
	}
	t.paused = true
	t.left = max(0, t.due.Sub(t.manager.loop.Now()))
	t.disarm()
}

func (t *timer) Resume() error {
	if t.ended() {
		return fmt.Errorf("manager: resume timer %q: it has ended", t.options.Name)
	}
	if t.paused {
		t.paused = false
		t.due = t.manager.loop.Now().Add(t.left)
		t.arm()
	}
	return nil
}

func (t *timer) Cancel() {
	t.over = true
	t.disarm()
}

func (t *timer) Count() int    { return t.count }
func (t *timer) Running() bool { return !t.paused && !t.ended() }
