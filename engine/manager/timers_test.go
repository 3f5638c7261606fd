package manager

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/script"
)

// clockwork is a timer in a bubble that records when it ran, in milliseconds since its start.
type clockwork struct {
	*testManager
	timer script.Timer
	start time.Time
	ran   []int64
}

func (c *clockwork) begin(o script.TimerOptions) {
	work := o.Run
	o.Run = func() error {
		c.ran = append(c.ran, time.Since(c.start).Milliseconds())
		if work != nil {
			return work()
		}
		return nil
	}
	c.start = time.Now()
	c.turn(func() {
		var err error
		c.timer, err = c.h.Timer(o)
		c.must(err)
	})
}

func (c *clockwork) pass(ms int64) {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	synctest.Wait()
}

func (c *clockwork) expect(why string, want ...int64) {
	c.Helper()
	if !slices.Equal(c.ran, want) || c.timer.Count() != len(want) {
		c.Errorf("%s: ran at %v, count %d, want %v", why, c.ran, c.timer.Count(), want)
	}
}

const ms = time.Millisecond

func inClockwork(t *testing.T, test func(c *clockwork)) {
	t.Helper()
	inBubble(t, defaults(), nil, func(tm *testManager) { test(&clockwork{testManager: tm}) })
}

// A timer repeats until it is cancelled.
func TestTimerRepeats(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 10 * ms})
		c.pass(35)
		c.turn(func() {
			c.timer.Cancel()
			if c.timer.Running() || c.timer.Resume() == nil {
				c.Error("after Cancel: it runs or resumes, want neither")
			}
		})
		c.pass(100)
		c.expect("every 10 ms", 10, 20, 30)
	})
}

// A timer runs once.
func TestTimerOnce(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 10 * ms, Once: true})
		c.pass(50)
		c.expect("once", 10)
		c.turn(func() {
			if c.timer.Running() || c.timer.Resume() == nil {
				c.Error("after its run: it runs or resumes, want neither")
			}
		})
	})
}

// A paused timer keeps the time that was left.
func TestTimerPause(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 100 * ms})
		c.pass(130)
		c.turn(func() {
			c.timer.Pause()
			c.timer.Pause()
			if c.timer.Running() {
				c.Error("paused: Running() = true, want false")
			}
		})
		c.pass(1000)
		c.turn(func() {
			c.must(c.timer.Resume())
			c.must(c.timer.Resume())
			if !c.timer.Running() {
				c.Error("resumed: Running() = false, want true")
			}
		})
		c.pass(200)
		c.expect("paused from 130 to 1130", 100, 1200, 1300)
	})
}

// A timer ends at its timeout; a run that is due then still happens.
func TestTimerTimeout(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 10 * ms, Timeout: 30 * ms})
		c.pass(30)
		c.turn(func() {
			if !c.timer.Running() {
				c.Error("at its timeout: Running() = false, want true")
			}
		})
		c.pass(1)
		c.turn(func() {
			c.timer.Pause()
			if c.timer.Running() || c.timer.Resume() == nil {
				c.Error("after its timeout: it runs or resumes, want neither")
			}
		})
		c.pass(100)
		c.expect("with a timeout of 30 ms", 10, 20, 30)
	})
}

// If the loop is late, a timer neither drifts nor catches up.
func TestTimerLate(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 10 * ms, Run: func() error {
			if len(c.ran) == 2 {
				time.Sleep(34 * ms) // holds the loop
			}
			return nil
		}})
		c.pass(75)
		c.expect("held from 20 to 54", 10, 20, 54, 60, 70)
	})
}

// A timer skips runs while one waits.
func TestTimerSkips(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 10 * ms, Run: func() error {
			if len(c.ran) != 2 {
				return nil
			}
			return c.loop.Await(func(wake func()) { time.AfterFunc(25*ms, wake) })
		}})
		c.pass(65)
		c.expect("waiting from 20 to 45", 10, 20, 50, 60)
	})
}

// A timer goes on after an error, which the log has with its name.
func TestTimerFails(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Name: "BroadcastUptime", Every: 10 * ms, Run: func() error { return errors.New("broken") }})
		c.pass(25)
		c.expect("failing", 10, 20)
		contains(c, "log", c.log.String(), `turn="timer BroadcastUptime"`, "error=broken")
		if n := strings.Count(c.log.String(), "\n"); n != 1 {
			c.Errorf("log has %d lines, want one a second", n)
		}
	})
}

// A timer may cancel, pause and resume itself.
func TestTimerWithin(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{Every: 10 * ms, Run: func() error {
			switch len(c.ran) {
			case 1:
				c.timer.Pause()
				return c.timer.Resume()
			case 2:
				c.timer.Cancel()
			}
			return nil
		}})
		c.pass(100)
		c.expect("cancelled in its second run", 10, 20)
	})
}

// A timer runs once a millisecond at most.
func TestTimerShortest(t *testing.T) {
	inClockwork(t, func(c *clockwork) {
		c.begin(script.TimerOptions{})
		c.pass(3)
		c.expect("every 0", 1, 2, 3)
	})
}
