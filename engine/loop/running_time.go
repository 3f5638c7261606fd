package loop

import (
	"context"
	"sync"
	"time"
)

// A process that is stopped (SIGSTOP, a paused virtual machine) or gets no processor misses ticks: of the time between two
// ticks, not more than maxTicks intervals count as time in which it ran.
const maxTicks = 5

// RunningTime measures the time in which the process runs. It is used by one goroutine, which has a ticker.
type RunningTime struct {
	interval time.Duration // of the ticker
	last     time.Time
}

// NewRunningTime starts to measure. interval is that of the caller's ticker.
func NewRunningTime(interval time.Duration) *RunningTime {
	return &RunningTime{interval: interval, last: time.Now()}
}

// Tick returns for how long the process has run since the call before. It is called at each tick.
func (r *RunningTime) Tick() time.Duration {
	now := time.Now()
	ran := min(now.Sub(r.last), maxTicks*r.interval)
	r.last = now
	return ran
}

// TurnInterval is how often the time of turns is measured, and of what must take longer than a turn may.
const TurnInterval = 10 * time.Millisecond

// AfterRunning calls f on a goroutine of its own when the process has run for that long, which is measured at each interval. A
// long interval counts more of the time of a process that gets little of the processor. stop prevents the call, and waits until
// the goroutine has ended. It may be called more than once.
func AfterRunning(timeout, interval time.Duration, f func()) (stop func()) {
	ctx, end := context.WithCancel(context.Background())
	var measuring sync.WaitGroup
	measuring.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		running := NewRunningTime(interval)
		for left := timeout; left > 0; left -= running.Tick() {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
		f()
	})
	return func() {
		end()
		measuring.Wait()
	}
}

// WithRunningTimeout returns a context that ends with cause when the process has run for that long, measured as turns are. cancel
// waits until the goroutine that measures has ended.
func WithRunningTimeout(ctx context.Context, timeout time.Duration, cause error) (limited context.Context, cancel func()) {
	limited, end := context.WithCancelCause(ctx)
	stop := AfterRunning(timeout, TurnInterval, func() { end(cause) })
	return limited, func() {
		end(nil)
		stop()
	}
}
