package loop

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Time between ticks counts, unless so many are missing that the process stood still.
func TestRunningTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 10 * time.Millisecond
		r := NewRunningTime(interval)
		for _, row := range []struct{ passes, want time.Duration }{
			{interval, interval}, {0, 0}, {3 * interval, 3 * interval}, {15 * time.Second, maxTicks * interval}, {interval, interval},
		} {
			time.Sleep(row.passes)
			if got := r.Tick(); got != row.want {
				t.Errorf("Tick after %v = %v, want %v", row.passes, got, row.want)
			}
		}
	})
}

// A context with a running timeout ends with its cause after that time, and not after it was cancelled.
func TestWithRunningTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := errors.New("late")
		ctx, cancel := WithRunningTimeout(t.Context(), time.Second, late)
		defer cancel()
		time.Sleep(time.Second - time.Millisecond)
		synctest.Wait()
		if err := context.Cause(ctx); err != nil {
			t.Errorf("before the timeout: %v, want nil", err)
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if err := context.Cause(ctx); !errors.Is(err, late) {
			t.Errorf("after the timeout: %v, want %v", err, late)
		}
		ctx, cancel = WithRunningTimeout(t.Context(), time.Second, late)
		cancel()
		time.Sleep(time.Minute)
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after cancel: %v, want %v", err, context.Canceled)
		}
	})
}
