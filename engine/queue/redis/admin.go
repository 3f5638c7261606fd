package redis

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomodule/redigo/redis"

	"perigee/engine/queue"
)

// Counts implements queue.Admin. The server does not know who waits for a job of a queue.
func (c *Client) Counts(ctx context.Context, name string) (queue.Counts, error) {
	var n []int
	_, err := c.do(ctx, name, func(conn *connection) error {
		k := conn.keys
		_ = conn.Send("LLEN", k.ready) // an error is also that of the last command
		for _, set := range []string{k.delayed, k.reserved, k.buried} {
			_ = conn.Send("ZCARD", set)
		}
		var err error
		n, err = redis.Ints(conn.Do("")) // the answers to all
		return conn.translate(err)
	})
	if err != nil {
		return queue.Counts{}, err
	}
	return queue.Counts{Ready: n[0], Delayed: n[1], Reserved: n[2], Buried: n[3], Waiting: queue.UnknownWaiting}, nil
}

// chunk is how many jobs are looked at by one command, so that the server is not blocked for long.
const chunk = 500

// place is where jobs of one state are.
type place struct {
	state string
	key   string
	list  bool // else it is a sorted set
}

func places(k keys) []place {
	return []place{
		{string(queue.Ready), k.ready, true},
		{string(queue.Delayed), k.delayed, false},
		{string(queue.Buried), k.buried, false},
		{"reserved", k.reserved, false},
	}
}

// read returns up to n jobs from a position on.
func (p place) read(conn *connection, from, n int) ([]string, error) {
	command := "ZRANGE"
	if p.list {
		command = "LRANGE"
	}
	members, err := redis.Strings(conn.Do(command, p.key, from, from+n-1))
	return members, conn.translate(err)
}

// stats returns the statistics of a job of this place.
func (p place) stats(conn *connection, name string, j job) (queue.Stats, error) {
	stats := j.stats(name, p.state)
	if p.state != string(queue.Buried) {
		return stats, nil
	}
	reason, err := redis.String(conn.Do("HGET", conn.keys.reasons, j.id))
	if err != nil && err != redis.ErrNil { //nolint:errorlint // it is returned as it is
		return stats, conn.translate(err)
	}
	stats.Reason = reason
	return stats, nil
}

// Peek implements queue.Admin.
func (c *Client) Peek(ctx context.Context, name string, state queue.State) (queue.Job, queue.Stats, error) {
	var j job
	var stats queue.Stats
	_, err := c.do(ctx, name, func(conn *connection) error {
		all := places(conn.keys)
		i := slices.IndexFunc(all, func(p place) bool { return p.state == string(state) })
		if i < 0 {
			return fmt.Errorf("redis: cannot peek at jobs in state %.20q", state)
		}
		members, err := all[i].read(conn, 0, 1)
		if err == nil && len(members) == 0 {
			err = queue.ErrNotFound
		}
		if err != nil {
			return err
		}
		j = readJob(members[0])
		stats, err = all[i].stats(conn, name, j)
		return err
	})
	return queue.Job{ID: j.number(), Body: []byte(j.body)}, stats, err
}

// find returns the job with a number and where it is. It looks at all jobs, from the first to the last.
func find(conn *connection, id uint64) (job, place, error) {
	for _, p := range places(conn.keys) {
		for from := 0; ; from += chunk {
			members, err := p.read(conn, from, chunk)
			if err != nil {
				return job{}, place{}, err
			}
			for _, member := range members {
				if j := readJob(member); j.number() == id {
					return j, p, nil
				}
			}
			if len(members) < chunk {
				break
			}
		}
	}
	return job{}, place{}, queue.ErrNotFound
}

// PeekJob implements queue.Admin.
func (c *Client) PeekJob(ctx context.Context, name string, id uint64) (queue.Job, queue.Stats, error) {
	var j job
	var stats queue.Stats
	_, err := c.do(ctx, name, func(conn *connection) error {
		found, where, err := find(conn, id)
		if err != nil {
			return err
		}
		j = found
		stats, err = where.stats(conn, name, j)
		return err
	})
	return queue.Job{ID: id, Body: []byte(j.body)}, stats, err
}

// Kick implements queue.Admin.
func (c *Client) Kick(ctx context.Context, name string, n int) (kicked int, err error) {
	if n <= 0 {
		return 0, nil
	}
	_, err = c.do(ctx, name, func(conn *connection) (err error) {
		kicked, err = redis.Int(conn.call(conn.scripts.kick, n))
		return err
	})
	return kicked, err
}

// KickJob implements queue.Admin.
func (c *Client) KickJob(ctx context.Context, name string, id uint64) error {
	return c.change(ctx, name, id, func(s scripts) *redis.Script { return s.kickJob })
}

// Delete implements queue.Admin.
func (c *Client) Delete(ctx context.Context, name string, id uint64) error {
	return c.change(ctx, name, id, func(s scripts) *redis.Script { return s.remove })
}

// change runs a script for the job with a number.
func (c *Client) change(ctx context.Context, name string, id uint64, script func(s scripts) *redis.Script) error {
	_, err := c.do(ctx, name, func(conn *connection) error {
		j, _, err := find(conn, id)
		if err != nil {
			return err
		}
		n, err := redis.Int(conn.call(script(conn.scripts), j.member))
		if err == nil && n == 0 {
			err = queue.ErrNotFound
		}
		return err
	})
	return err
}
