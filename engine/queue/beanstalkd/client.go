package beanstalkd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/queue"
)

var (
	_ queue.Producer = (*Client)(nil)
	_ queue.Admin    = (*Client)(nil)
)

// retryAfter is how long commands fail at once after a connection attempt got no answer: otherwise each of many waiting commands
// would wait as long as the first.
const retryAfter = time.Second

// verifyAfter is how long a connection may be unused before it is verified: if beanstalkd was restarted meanwhile, a command
// would fail, and whether it was executed would be unknown.
const verifyAfter = time.Second

// Client puts jobs, and inspects and repairs queues. It has one connection, which it opens when it is first needed, and again after
// it was lost. Concurrent commands wait for each other.
type Client struct {
	// Set by NewClient, never changed.
	address string
	lock    chan struct{} // capacity 1; full while locked

	// Guarded by lock.
	conn       *connection
	usedAt     time.Time // when conn was last known to be good
	closed     bool
	retryAt    time.Time // when to connect again after an attempt that got no answer
	retryError error     // the error of that attempt, until then
}

// NewClient returns a client for the beanstalkd at an address, as for New. The caller must close it.
func NewClient(address string) *Client {
	return &Client{address: address, lock: make(chan struct{}, 1)}
}

// Close closes the connection.
func (c *Client) Close() error {
	c.lock <- struct{}{}
	defer func() { <-c.lock }()
	c.closed = true
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
	return nil
}

var errClientClosed = errors.New("beanstalkd: the client is closed")

// do executes one command. sent reports whether it was sent at all.
func (c *Client) do(ctx context.Context, k answerKind, f func(conn *beanstalk.Conn) error) (sent bool, err error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return false, fmt.Errorf("beanstalkd: %s: waiting for other commands: %w", c.address, context.Cause(ctx))
	}
	if err := c.connect(ctx); err != nil {
		return false, err
	}
	err = c.conn.call(ctx, k, f)
	c.usedAt = time.Now()
	return true, err
}

// connect ensures that there is a good connection.
func (c *Client) connect(ctx context.Context) error {
	if c.closed {
		return errClientClosed
	}
	if c.conn != nil {
		if c.conn.broken() == nil && (time.Since(c.usedAt) < verifyAfter || c.conn.verify(ctx) == nil) {
			return nil
		}
		c.conn.close()
		c.conn = nil
	}
	if time.Now().Before(c.retryAt) {
		return c.retryError
	}
	conn, err := dial(ctx, c.address)
	if errors.Is(err, errNoAnswer) {
		c.retryError, c.retryAt = err, time.Now().Add(retryAfter)
	}
	if err != nil {
		return err
	}
	c.conn = conn
	return nil
}

// Put puts a job. Many goroutines that put jobs concurrently are as fast as one.
func (c *Client) Put(ctx context.Context, r queue.PutRequest) (uint64, error) {
	if err := CheckName(r.Queue); err != nil {
		return 0, err
	}
	if r.TTR == 0 {
		r.TTR = queue.DefaultTTR
	}
	for _, d := range []time.Duration{r.Delay, r.TTR} {
		if d < 0 || d%time.Second != 0 || d/time.Second > math.MaxUint32 {
			return 0, fmt.Errorf("beanstalkd: putting a job: %v is not a whole number of seconds", d)
		}
	}
	body := r.Body
	if body == nil {
		body = []byte{} // for nil the library omits the size
	}
	var id uint64
	sent, err := c.do(ctx, lineOnly, func(conn *beanstalk.Conn) (err error) {
		id, err = beanstalk.NewTube(conn, r.Queue).Put(body, r.Priority, r.Delay, r.TTR)
		return err
	})
	if err != nil && sent && !errors.Is(err, queue.ErrRefused) {
		return 0, fmt.Errorf("%w: %w", queue.ErrUnsure, err)
	}
	return id, err
}

// Counts implements queue.Admin.
func (c *Client) Counts(ctx context.Context, tube string) (queue.Counts, error) {
	if err := CheckName(tube); err != nil {
		return queue.Counts{}, err
	}
	var counts queue.Counts
	_, err := c.do(ctx, withBody, func(conn *beanstalk.Conn) (err error) {
		counts, err = tubeCounts(conn, tube)
		return err
	})
	if errors.Is(err, queue.ErrNotFound) { // a tube exists only while it is used
		return queue.Counts{}, nil
	}
	return counts, err
}

// Peek implements queue.Admin.
func (c *Client) Peek(ctx context.Context, tube string, state queue.State) (queue.Job, queue.Stats, error) {
	if err := CheckName(tube); err != nil {
		return queue.Job{}, queue.Stats{}, err
	}
	var peek func(t *beanstalk.Tube) (uint64, []byte, error)
	switch state {
	case queue.Ready:
		peek = (*beanstalk.Tube).PeekReady
	case queue.Delayed:
		peek = (*beanstalk.Tube).PeekDelayed
	case queue.Buried:
		peek = (*beanstalk.Tube).PeekBuried
	default:
		return queue.Job{}, queue.Stats{}, fmt.Errorf("beanstalkd: cannot peek at jobs in state %.20q", state)
	}
	return c.peek(ctx, func(conn *beanstalk.Conn) (uint64, []byte, error) { return peek(beanstalk.NewTube(conn, tube)) })
}

// PeekJob implements queue.Admin.
func (c *Client) PeekJob(ctx context.Context, _ string, id uint64) (queue.Job, queue.Stats, error) {
	return c.peek(ctx, func(conn *beanstalk.Conn) (uint64, []byte, error) {
		body, err := conn.Peek(id)
		return id, body, err
	})
}

// peek returns the job that a command returns, and its stats.
func (c *Client) peek(ctx context.Context, f func(conn *beanstalk.Conn) (id uint64, body []byte, err error)) (queue.Job, queue.Stats, error) {
	var j queue.Job
	_, err := c.do(ctx, withBody, func(conn *beanstalk.Conn) (err error) {
		j.ID, j.Body, err = f(conn)
		return err
	})
	if err != nil {
		return queue.Job{}, queue.Stats{}, err
	}
	var stats queue.Stats
	_, err = c.do(ctx, withBody, func(conn *beanstalk.Conn) (err error) {
		stats, err = jobStats(conn, j.ID)
		return err
	})
	if err != nil {
		return queue.Job{}, queue.Stats{}, err
	}
	return j, stats, nil
}

// Kick implements queue.Admin.
func (c *Client) Kick(ctx context.Context, tube string, n int) (int, error) {
	if err := CheckName(tube); err != nil {
		return 0, err
	}
	var kicked int
	_, err := c.do(ctx, lineOnly, func(conn *beanstalk.Conn) (err error) {
		kicked, err = beanstalk.NewTube(conn, tube).Kick(max(n, 0))
		return err
	})
	return kicked, err
}

// KickJob implements queue.Admin.
func (c *Client) KickJob(ctx context.Context, _ string, id uint64) error {
	_, err := c.do(ctx, lineOnly, func(conn *beanstalk.Conn) error { return conn.KickJob(id) })
	return err
}

// Delete implements queue.Admin.
func (c *Client) Delete(ctx context.Context, _ string, id uint64) error {
	_, err := c.do(ctx, lineOnly, func(conn *beanstalk.Conn) error { return conn.Delete(id) })
	return err
}
