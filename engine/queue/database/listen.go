package database

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lib/pq"

	"perigee/engine/queue"
)

// listener hears of new jobs from PostgreSQL.
type listener struct {
	pq      *pq.Listener
	running sync.WaitGroup
}

// listen begins to listen for notifications, on the channel with the name of the jobs table, if the table has a trigger that may send
// them. Their text is the name of a queue.
func (c conn) listen(ctx context.Context) (*listener, error) {
	var one int
	err := c.row(ctx, []any{&one}, "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(?) AND NOT tgisinternal LIMIT 1", c.text("{jobs}"))
	if errors.Is(err, queue.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l := &listener{pq: pq.NewListener(c.q.target.listenDSN, time.Second, time.Minute, nil)}
	l.running.Go(func() {
		// Listen waits for the connection. It fails only if the listener is closed; until then, polling finds the jobs.
		_ = l.pq.Listen(c.q.options.Table)
	})
	l.running.Go(func() {
		for n := range l.pq.Notify {
			if n != nil { // nil is a new connection
				c.q.announce(n.Extra)
			}
		}
	})
	return l, nil
}

// Close ends the connection.
func (l *listener) Close() error {
	err := l.pq.Close()
	l.running.Wait()
	return err
}
