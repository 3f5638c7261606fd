package manager

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"perigee/engine/queue"
)

// A job whose context has ended before its turn does not run: the queue tries it again, and it would run twice.
func TestJobWhoseTimeIsOver(t *testing.T) {
	var ran []string
	inBubble(t, defaults(), func(tm *testManager) { commands(tm, tm.h, &ran, "Late", "Timely") }, func(tm *testManager) {
		ctx, cancel := context.WithCancelCause(tm.Context())
		outcomes := map[string]error{}
		tm.turn(func() { // both have their turns after this one
			cancel(queue.ErrTimeout)
			tm.m.Job(ctx, queue.Job{Command: "Late"}, func(err error) { outcomes["Late"] = err })
			tm.m.request(tm.Context(), commandRequest{command: "Timely"}, func(_ []byte, err error) { outcomes["Timely"] = err })
		})
		synctest.Wait()
		if len(ran) != 1 || !strings.HasPrefix(ran[0], "Timely") {
			tm.Errorf("ran %q, want the one whose time was not over", ran)
		}
		if !errors.Is(outcomes["Late"], queue.ErrTimeout) || outcomes["Timely"] != nil {
			tm.Errorf("outcomes: got %v, want %v for the late one", outcomes, queue.ErrTimeout)
		}
	})
}
