package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"perigee/engine/queue"
)

var (
	_ queue.Producer = (*Client)(nil)
	_ queue.Admin    = (*Client)(nil)
)

// verifyAfter is how long a connection may be unused before it is verified: if the server was restarted meanwhile, a command would
// fail, and whether it was executed would be unknown.
const verifyAfter = time.Second

// Client puts jobs, and inspects and repairs queues. It has one connection, which it opens when it is first needed, and again after it
// was lost. Concurrent commands wait for each other.
type Client struct {
	// Set by NewClient, never changed.
	settings Settings
	lock     chan struct{} // capacity 1; full while locked

	// Guarded by lock.
	conn   *connection
	name   string    // of the queue that conn is for
	usedAt time.Time // when conn was last known to be good
	closed bool
}

// NewClient returns a client. The caller must close it.
func NewClient(s Settings) *Client { return &Client{settings: s, lock: make(chan struct{}, 1)} }

// Close closes the connection.
func (c *Client) Close() error {
	c.lock <- struct{}{}
	defer func() { <-c.lock }()
	c.closed = true
	c.drop()
	return nil
}

func (c *Client) drop() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is left to do with it
		c.conn = nil
	}
}

// do calls f with a good connection for a queue. sent reports whether f was called. If ctx ends first, the connection is closed.
func (c *Client) do(ctx context.Context, name string, f func(conn *connection) error) (sent bool, err error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return false, fmt.Errorf("redis: waiting for other commands: %w", context.Cause(ctx))
	}
	if err := c.connect(ctx, name); err != nil {
		return false, err
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = f(conn)
	if !stop() && err != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	c.usedAt = time.Now()
	if conn.Err() != nil {
		c.drop()
	}
	return true, err
}

// connect ensures that there is a good connection for a queue.
func (c *Client) connect(ctx context.Context, name string) error {
	if c.closed {
		return errClosed
	}
	if c.conn != nil && c.name == name {
		if time.Since(c.usedAt) < verifyAfter {
			return nil
		}
		if _, err := c.conn.touch(job{}); err == nil {
			return nil
		}
	}
	c.drop()
	conn, err := dial(ctx, c.settings, name)
	if err != nil {
		return err
	}
	c.conn, c.name = conn, name
	return nil
}

// Put puts a job. A body that Laravel's worker could run gets the members that it needs.
func (c *Client) Put(ctx context.Context, r queue.PutRequest) (uint64, error) {
	switch {
	case r.Priority != queue.DefaultPriority:
		return 0, fmt.Errorf("redis: %w: jobs have no priorities, and begin in the order in which they were put", queue.ErrUnsupported)
	case r.TTR != 0:
		return 0, fmt.Errorf("redis: %w: jobs have no time to run of their own; queue.retry_after is that of all", queue.ErrUnsupported)
	case r.Delay < 0:
		return 0, fmt.Errorf("redis: putting a job: the delay %v is negative", r.Delay)
	}
	j := withMembers(r.Body, newID())
	sent, err := c.do(ctx, r.Queue, func(conn *connection) error {
		_, err := conn.call(conn.scripts.put, j.member, r.Delay.Seconds())
		return err
	})
	if err == nil {
		return j.number(), nil
	}
	if _, refused := errors.AsType[redis.Error](err); refused {
		err = fmt.Errorf("%w: %w", queue.ErrRefused, err)
	} else if sent {
		err = fmt.Errorf("%w: %w", queue.ErrUnsure, err)
	}
	return 0, err
}
