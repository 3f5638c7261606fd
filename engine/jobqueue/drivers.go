package jobqueue

import (
	"log/slog"

	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/beanstalkd"
	"perigee/engine/queue/memory"
)

// Client puts jobs and inspects the queue. The caller must close it.
type Client interface {
	queue.Producer
	queue.Admin
}

// connect returns the driver and the client of the service that the settings name, or nil if there is no queue. They connect when
// they are first used.
func connect(c config.Queue, log *slog.Logger) (queue.Driver, Client) {
	switch c.Driver {
	case config.DriverBeanstalkd:
		return beanstalkd.New(c.Dialed(), log), beanstalkd.NewClient(c.Dialed())
	case config.DriverMemory:
		q := memory.New(loop.RealClock{})
		return q, q
	default:
		return nil, nil
	}
}
