package manager

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/queue"
)

// A job whose time is over when its turn comes does not run: the queue has it tried again, and it would run twice.
func TestJobWhoseTimeIsOver(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(r *rig) { commands(r, r.h, &ran, "Late", "Timely") }, func(r *rig) {
		ctx, cancel := context.WithCancelCause(r.Context())
		outcomes := map[string]error{}
		r.turn(func() { // both have their turns after this one
			cancel(queue.ErrTimeout)
			r.m.Job(ctx, queue.Job{Command: "Late"}, func(err error) { outcomes["Late"] = err })
			r.m.take(r.Context(), order{command: "Timely"}, func(_ []byte, err error) { outcomes["Timely"] = err })
		})
		synctest.Wait()
		if len(ran) != 1 || !strings.HasPrefix(ran[0], "Timely") {
			r.Errorf("ran %q, want the one whose time was not over", ran)
		}
		if !errors.Is(outcomes["Late"], queue.ErrTimeout) || outcomes["Timely"] != nil {
			r.Errorf("outcomes: got %v, want %v for the late one", outcomes, queue.ErrTimeout)
		}
	})
}
