// Package redis owns the connections to a Redis server, behind the interfaces of package queue. Its keys and what becomes of them are
// those of Laravel's Redis queue, so that applications put jobs as for Laravel's own worker, which may share the queue. It must not
// know what a job means, nor when it is done.
//
// A job is ready in a list, or delayed, reserved or buried in a sorted set, whose scores are times. It has no number: its text is its
// only name, and contains an ID and how often it was reserved. Every step is one script, so that no job is ever in two places, or
// in none.
package redis

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"perigee/engine/queue"
)

// Settings are what the driver needs to know about a server.
type Settings struct {
	// Address of the server, in one of the forms that config.ParseRedisAddress reads.
	Address string
	// Prefix of all keys, as in Laravel's database.redis.options.prefix. Optional.
	Prefix string
	// TTR is how long a job stays reserved without being touched, as Laravel's retry_after.
	TTR time.Duration
}

var _ queue.Driver = (*Driver)(nil)

// Driver opens connections that reserve jobs.
type Driver struct {
	// Set by New, never changed.
	settings Settings
	log      *slog.Logger
	warned   sync.Once // the warning that the server has no password

	mu sync.Mutex
	// Guarded by mu.
	left     map[string][]*heldJob // by queue: jobs that a closed source still held, which are reserved until their time is over
	sequence uint64                // of the last job reserved
}

// heldJob is a job that this process has reserved.
type heldJob struct {
	job
	sequence uint64 // they were reserved in this order
}

// New returns a driver. It does not connect yet.
func New(s Settings, log *slog.Logger) *Driver {
	return &Driver{settings: s, log: log, left: map[string][]*heldJob{}}
}

// Open connects, and returns a source of the jobs of one queue. Jobs that an earlier source held, and that are still reserved, are
// delivered first.
func (d *Driver) Open(ctx context.Context, name string) (queue.Source, error) {
	main, err := dial(ctx, d.settings, name)
	if err != nil {
		return nil, err
	}
	waits, err := dial(ctx, d.settings, name)
	if err != nil {
		_ = main.Close()
		return nil, err
	}
	d.warnOfOpenServer(main)
	left := d.takeLeft(name)
	again, err := stillReserved(main, left)
	if err != nil {
		d.leave(name, left)
		return nil, errors.Join(err, main.Close(), waits.Close())
	}
	return newSource(d, name, main, waits, again), nil
}

// stillReserved returns those of jobs that are still reserved, and reserves them for longer.
func stillReserved(c *connection, jobs []*heldJob) (again []*heldJob, err error) {
	for _, j := range jobs {
		found, err := c.touch(j.job)
		if err != nil {
			return nil, err
		}
		if found {
			again = append(again, j)
		}
	}
	return again, nil
}

// takeLeft returns the jobs that closed sources held, in the order in which they were reserved.
func (d *Driver) takeLeft(name string) []*heldJob {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.left[name]
	delete(d.left, name)
	slices.SortFunc(left, func(a, b *heldJob) int { return cmp.Compare(a.sequence, b.sequence) })
	return left
}

// leave keeps jobs for the next source.
func (d *Driver) leave(name string, jobs []*heldJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left[name] = append(d.left[name], jobs...)
}

// hold returns a job that was reserved.
func (d *Driver) hold(j job) *heldJob {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sequence++
	return &heldJob{j, d.sequence}
}

// warnOfOpenServer warns once if the server is on another machine and asks for no password.
func (d *Driver) warnOfOpenServer(c *connection) {
	if c.isLocal() || c.hasPassword {
		return
	}
	d.warned.Do(func() {
		d.log.Warn("redis: the queue is on another machine and has no password, so anyone who can reach it can run commands", "address", c.address)
	})
}
