package loop

import (
	"context"
	"errors"
	"time"
)

// ErrBusy is returned by Ask if its turn has not come in time.
var ErrBusy = errors.New("the server is busy: a script has held it for a second, or much work waits")

// askTimeout is how long Ask waits for its turn, while a script may hold the loop.
const askTimeout = time.Second

// Ask runs a function in a turn, and returns its result, [ErrBusy], or the cause of the end of ctx. The function may still run after
// Ask has returned an error: it must not use what its caller uses then.
func Ask[T any](ctx context.Context, l *Loop, turn string, run func() T) (result T, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, ErrBusy)
	defer cancel()
	answer := make(chan T, 1)
	err = l.PostWithin(ctx, turn, func() {
		if ctx.Err() == nil { // else nobody waits
			answer <- run()
		}
	})
	if err != nil {
		return result, err
	}
	select {
	case result = <-answer:
		return result, nil
	case <-ctx.Done():
		return result, context.Cause(ctx)
	}
}
