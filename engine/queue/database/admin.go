package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"perigee/engine/queue"
)

// Put puts a job.
func (q *Queue) Put(ctx context.Context, r queue.PutRequest) (id uint64, err error) {
	switch {
	case r.Priority != queue.DefaultPriority:
		return 0, fmt.Errorf("database: priority %d: %w: jobs in a database have no priorities", r.Priority, queue.ErrUnsupported)
	case r.TTR != 0:
		return 0, fmt.Errorf("database: time to run %v: %w: queue.retry_after is that of all jobs in a database", r.TTR, queue.ErrUnsupported)
	case r.Delay < 0 || r.Delay%time.Second != 0:
		return 0, fmt.Errorf("database: putting a job: %v is not a whole number of seconds", r.Delay)
	}
	err = q.withConn(ctx, func(c conn) error {
		now := time.Now()
		id, err = c.insert(ctx, "INSERT INTO {jobs} (queue, payload, attempts, reserved_at, available_at, created_at) VALUES (?, ?, 0, NULL, ?, ?)",
			r.Queue, string(r.Body), now.Add(r.Delay).Unix(), now.Unix())
		switch {
		case err == nil:
			return nil
		case unsure(err):
			return fmt.Errorf("%w: %w", queue.ErrUnsure, err)
		case refused(err):
			return fmt.Errorf("%w: %w", queue.ErrRefused, err)
		}
		return err
	})
	if err == nil {
		q.announce(r.Queue)
	}
	return id, err
}

// insert executes a statement that inserts a row, and returns its ID.
func (c conn) insert(ctx context.Context, statement string, arguments ...any) (id uint64, err error) {
	if c.q.target.returning {
		return id, c.row(ctx, []any{&id}, statement+" RETURNING id", arguments...)
	}
	result, err := c.ExecContext(ctx, c.text(statement), arguments...)
	if err != nil {
		return 0, err
	}
	last, err := result.LastInsertId()
	return uint64(last), err
}

// Counts implements queue.Admin.
func (q *Queue) Counts(ctx context.Context, name string) (queue.Counts, error) {
	n := queue.Counts{Waiting: queue.UnknownWaiting}
	err := q.withConn(ctx, func(c conn) error {
		now := time.Now().Unix()
		err := c.row(ctx, []any{&n.Ready, &n.Delayed, &n.Reserved}, `SELECT
			COALESCE(SUM(CASE WHEN reserved_at IS NULL AND available_at <= ? OR reserved_at <= ? THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN reserved_at IS NULL AND available_at > ? THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN reserved_at > ? THEN 1 ELSE 0 END), 0)
			FROM {jobs} WHERE queue = ?`, now, q.expired(), now, q.expired(), name)
		if err != nil {
			return err
		}
		return c.row(ctx, []any{&n.Buried}, "SELECT COUNT(*) FROM {failed} WHERE connection = ? AND queue = ?", q.options.Connection, name)
	})
	return n, err
}

// Peek implements queue.Admin.
func (q *Queue) Peek(ctx context.Context, name string, state queue.State) (job queue.Job, stats queue.Stats, err error) {
	err = q.withConn(ctx, func(c conn) error {
		var r row
		now := time.Now().Unix()
		switch state {
		case queue.Ready:
			err := c.row(ctx, r.scan(), "SELECT "+columns+" FROM {jobs} WHERE "+ready+" ORDER BY id LIMIT 1", name, now, q.expired())
			job, stats = r.job(state)
			return err
		case queue.Delayed:
			err := c.row(ctx, r.scan(), "SELECT "+columns+" FROM {jobs} WHERE "+delayed+" ORDER BY available_at, id LIMIT 1", name, now)
			job, stats = r.job(state)
			return err
		}
		all, err := c.failedOf(ctx, name, 1)
		if err == nil && len(all) == 0 {
			err = queue.ErrNotFound
		}
		if err == nil {
			job, stats = all[0].job()
		}
		return err
	})
	return job, stats, err
}

// delayed is a condition with the arguments queue and time.
const delayed = "queue = ? AND reserved_at IS NULL AND available_at > ?"

// job returns the job of a row in a state.
func (r *row) job(state queue.State) (queue.Job, queue.Stats) {
	return queue.Job{ID: uint64(r.id), Body: r.payload}, queue.Stats{
		Queue: r.queue, State: string(state), Priority: queue.DefaultPriority, Age: r.age(),
		Reserves: int(r.attempts), Releases: int(r.releases()),
	}
}

// PeekJob implements queue.Admin.
func (q *Queue) PeekJob(ctx context.Context, _ string, id uint64) (job queue.Job, stats queue.Stats, err error) {
	err = q.withConn(ctx, func(c conn) error {
		var r row
		switch err := c.row(ctx, r.scan(), "SELECT "+columns+" FROM {jobs} WHERE id = ?", int64(id)); {
		case errors.Is(err, queue.ErrNotFound):
			f, err := c.findFailed(ctx, id)
			job, stats = f.job()
			return err
		case err != nil:
			return err
		}
		state := queue.Ready
		switch {
		case r.reservedAt.Valid && r.reservedAt.Int64 > q.expired():
			state = "reserved"
		case !r.reservedAt.Valid && r.availableAt > time.Now().Unix():
			state = queue.Delayed
		}
		job, stats = r.job(state)
		return nil
	})
	return job, stats, err
}

// Kick implements queue.Admin.
func (q *Queue) Kick(ctx context.Context, name string, n int) (kicked int, err error) {
	err = q.withConn(ctx, func(c conn) error {
		if kicked, err = c.kickAll(ctx, name, n); err != nil || kicked > 0 {
			return err
		}
		now := time.Now().Unix()
		// MySQL refuses to read, in a subquery, the table that it updates, unless it is the table of another.
		changed, err := c.exec(ctx, "UPDATE {jobs} SET available_at = ? WHERE reserved_at IS NULL AND id IN (SELECT id FROM (SELECT id FROM {jobs} WHERE "+
			delayed+" ORDER BY available_at, id LIMIT "+fmt.Sprint(n)+") AS next)", now, name, now)
		kicked = int(changed)
		return err
	})
	q.announce(name)
	return kicked, err
}

// KickJob implements queue.Admin.
func (q *Queue) KickJob(ctx context.Context, name string, id uint64) error {
	err := q.withConn(ctx, func(c conn) error {
		now := time.Now().Unix()
		n, err := c.exec(ctx, "UPDATE {jobs} SET available_at = ? WHERE id = ? AND reserved_at IS NULL AND available_at > ?", now, int64(id), now)
		if err != nil || n > 0 {
			return err
		}
		f, err := c.findFailed(ctx, id)
		if err != nil {
			return err
		}
		there, err := c.kickFailed(ctx, f)
		if err == nil && !there {
			err = queue.ErrNotFound
		}
		return err
	})
	q.announce(name)
	return err
}

// Delete implements queue.Admin.
func (q *Queue) Delete(ctx context.Context, _ string, id uint64) error {
	return q.withConn(ctx, func(c conn) error {
		n, err := c.exec(ctx, "DELETE FROM {jobs} WHERE id = ? AND (reserved_at IS NULL OR reserved_at <= ?)", int64(id), q.expired())
		if err != nil || n > 0 {
			return err
		}
		f, err := c.findFailed(ctx, id)
		if err != nil {
			return err
		}
		n, err = c.exec(ctx, "DELETE FROM {failed} WHERE id = ?", f.id)
		if err == nil && n == 0 {
			err = queue.ErrNotFound
		}
		return err
	})
}
