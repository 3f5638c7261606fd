package jobqueue

import (
	"context"
	"log/slog"
	"time"

	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/beanstalkd"
	"perigee/engine/queue/database"
	"perigee/engine/queue/memory"
	"perigee/engine/queue/redis"
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
	case config.DriverRedis:
		return redis.New(redisSettings(c), log), redis.NewClient(redisSettings(c))
	case config.DriverDatabase:
		q := database.New(database.Options{
			DSN: string(c.DSN), Table: c.Table, FailedTable: c.FailedTable, Connection: c.Connection,
			Poll: c.Poll.Std(), RetryAfter: c.RetryAfter.Std(),
		})
		return q, q
	case config.DriverMemory:
		q := memory.New(loop.RealClock{})
		return q, q
	default:
		return nil, nil
	}
}

func redisSettings(c config.Queue) redis.Settings {
	return redis.Settings{Address: c.Dialed(), Prefix: c.Prefix, TTR: c.RetryAfter.Std()}
}

// timeToRun returns how long the service keeps any job reserved, or 0 if each job has its own time.
func timeToRun(c config.Queue) time.Duration {
	if c.Driver == config.DriverRedis || c.Driver == config.DriverDatabase {
		return c.RetryAfter.Std()
	}
	return 0
}

// Examine asks the service that the settings name whether it is set up as they say. It returns sentences: what the server uses there, and
// what is probably wrong.
func Examine(ctx context.Context, c config.Queue) (notes, warnings []string) {
	if c.Driver != config.DriverRedis {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	return redis.Examine(ctx, redisSettings(c), c.Name)
}

// examineTimeout is how long a service may take to be examined.
const examineTimeout = 5 * time.Second
