package beanstalkd

import (
	"log/slog"
	"testing"
	"time"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
	"perigee/engine/queue/queuetest"
)

// The driver keeps the promises of all drivers.
func TestPromises(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T, ttr time.Duration) queuetest.Service {
		t.Helper()
		s := beanstalkd.Start(t, beanstalkd.Options{Binlog: true})
		return queuetest.Service{
			Driver: func() queue.Driver { return New(s.Address, slog.New(slog.DiscardHandler)) },
			Client: NewClient(s.Address), JobTTR: ttr, Priorities: true, Ages: true, Binary: true,
			Kill: s.Kill, Restart: func() { s.Restart(t) },
		}
	})
}
