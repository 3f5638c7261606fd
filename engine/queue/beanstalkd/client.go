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

// spare is how long a service that does not answer is not asked again: of many that wait for it, each would wait for as
// long as the first.
const spare = time.Second

// rested is how long a connection may be unused before it is tried out: a command that is sent to a beanstalkd that has
// been restarted meanwhile would fail, and whether it was done would be unsure.
const rested = time.Second

// Client puts jobs, and reads and mends queues, on a connection of its own. It connects when it is first asked, and again
// when the connection was lost. Commands wait for each other.
type Client struct {
	// Set by NewClient, never changed.
	address string
	slot    chan struct{} // capacity 1; holds one while somebody owns what follows

	// Owned by whoever has the slot.
	link   *link
	used   time.Time // when link was last known to be well
	closed bool
	silent error     // why it could not connect when it was not answered last
	spared time.Time // until when it does not try again after that
}

// NewClient returns a client of the beanstalkd at an address, as New takes it. The owner closes it.
func NewClient(address string) *Client {
	return &Client{address: address, slot: make(chan struct{}, 1)}
}

// Close lets go of the connection.
func (c *Client) Close() error {
	c.slot <- struct{}{}
	defer func() { <-c.slot }()
	c.closed = true
	if c.link != nil {
		c.link.close()
		c.link = nil
	}
	return nil
}

var errClientClosed = errors.New("beanstalkd: the client is closed")

// do has one command answered. began tells whether it was sent at all.
func (c *Client) do(ctx context.Context, k kind, f func(conn *beanstalk.Conn) error) (began bool, err error) {
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return false, fmt.Errorf("beanstalkd: %s: waiting: %w", c.address, context.Cause(ctx))
	}
	if err := c.connect(ctx); err != nil {
		return false, err
	}
	err = c.link.call(ctx, k, f)
	c.used = time.Now()
	return true, err
}

// connect makes sure that there is a link that works.
func (c *Client) connect(ctx context.Context) error {
	if c.closed {
		return errClientClosed
	}
	if c.link != nil {
		if c.link.broken() == nil && (time.Since(c.used) < rested || c.link.greet(ctx) == nil) {
			return nil
		}
		c.link.close()
		c.link = nil
	}
	if time.Now().Before(c.spared) {
		return c.silent
	}
	l, err := dial(ctx, c.address)
	if errors.Is(err, errSilent) {
		c.silent, c.spared = err, time.Now().Add(spare)
	}
	if err != nil {
		return err
	}
	c.link = l
	return nil
}

// Put puts a job. Commands of one client wait for each other, so that many goroutines that put at once are as fast as one.
func (c *Client) Put(ctx context.Context, p queue.Put) (uint64, error) {
	if err := CheckName(p.Queue); err != nil {
		return 0, err
	}
	if p.TTR == 0 {
		p.TTR = queue.DefaultTTR
	}
	for _, d := range []time.Duration{p.Delay, p.TTR} {
		if d < 0 || d%time.Second != 0 || d/time.Second > math.MaxUint32 {
			return 0, fmt.Errorf("beanstalkd: putting a job: %v is not a time in whole seconds", d)
		}
	}
	body := p.Body
	if body == nil {
		body = []byte{} // without one the library leaves out the size
	}
	var id uint64
	began, err := c.do(ctx, word, func(conn *beanstalk.Conn) (err error) {
		id, err = beanstalk.NewTube(conn, p.Queue).Put(body, p.Priority, p.Delay, p.TTR)
		return err
	})
	if err != nil && began && !errors.Is(err, queue.ErrRefused) {
		return 0, fmt.Errorf("%w: %w", queue.ErrUnsure, err)
	}
	return id, err
}

// Counts counts the jobs of a tube.
func (c *Client) Counts(ctx context.Context, tube string) (queue.Counts, error) {
	if err := CheckName(tube); err != nil {
		return queue.Counts{}, err
	}
	var counts queue.Counts
	_, err := c.do(ctx, text, func(conn *beanstalk.Conn) (err error) {
		counts, err = tubeCounts(conn, tube)
		return err
	})
	if errors.Is(err, queue.ErrNotFound) { // a tube is there as long as it is used
		return queue.Counts{}, nil
	}
	return counts, err
}

// Peek returns the next job of a state.
func (c *Client) Peek(ctx context.Context, tube string, state queue.State) (queue.Peeked, error) {
	if err := CheckName(tube); err != nil {
		return queue.Peeked{}, err
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
		return queue.Peeked{}, fmt.Errorf("beanstalkd: there is no looking at jobs that are %.20q", state)
	}
	var p queue.Peeked
	_, err := c.do(ctx, text, func(conn *beanstalk.Conn) (err error) {
		p.ID, p.Body, err = peek(beanstalk.NewTube(conn, tube))
		return err
	})
	if err != nil {
		return queue.Peeked{}, err
	}
	return c.withStats(ctx, p)
}

// Job returns a job by its number.
func (c *Client) Job(ctx context.Context, id uint64) (queue.Peeked, error) {
	p := queue.Peeked{Reserved: queue.Reserved{ID: id}}
	_, err := c.do(ctx, text, func(conn *beanstalk.Conn) (err error) {
		p.Body, err = conn.Peek(id)
		return err
	})
	if err != nil {
		return queue.Peeked{}, err
	}
	return c.withStats(ctx, p)
}

// withStats adds what beanstalkd knows of a job.
func (c *Client) withStats(ctx context.Context, p queue.Peeked) (queue.Peeked, error) {
	_, err := c.do(ctx, text, func(conn *beanstalk.Conn) (err error) {
		p.Stats, err = jobStats(conn, p.ID)
		return err
	})
	if err != nil {
		return queue.Peeked{}, err
	}
	return p, nil
}

// Kick makes jobs ready.
func (c *Client) Kick(ctx context.Context, tube string, n int) (int, error) {
	if err := CheckName(tube); err != nil {
		return 0, err
	}
	var kicked int
	_, err := c.do(ctx, word, func(conn *beanstalk.Conn) (err error) {
		kicked, err = beanstalk.NewTube(conn, tube).Kick(max(n, 0))
		return err
	})
	return kicked, err
}

// KickJob makes one job ready.
func (c *Client) KickJob(ctx context.Context, id uint64) error {
	_, err := c.do(ctx, word, func(conn *beanstalk.Conn) error { return conn.KickJob(id) })
	return err
}

// Delete removes a job.
func (c *Client) Delete(ctx context.Context, id uint64) error {
	_, err := c.do(ctx, word, func(conn *beanstalk.Conn) error { return conn.Delete(id) })
	return err
}
