package memory

import (
	"testing"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/queuetest"
)

// The queue keeps the promises of all drivers.
func TestPromises(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(*testing.T, time.Duration) queuetest.Service {
		q := New(loop.RealClock{})
		return queuetest.Service{Driver: func() queue.Driver { return q }, Client: q, Priorities: true, Ages: true, Binary: true, Reasons: true}
	})
}
