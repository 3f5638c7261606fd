package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"perigee/engine/queue"
)

// row is a row of the jobs table.
type row struct {
	id, attempts, availableAt, createdAt int64
	reservedAt                           sql.NullInt64
	queue                                string
	payload                              []byte
}

const columns = "id, queue, payload, attempts, reserved_at, available_at, created_at"

// scan reads a row with columns.
func (r *row) scan() []any {
	return []any{&r.id, &r.queue, &r.payload, &r.attempts, &r.reservedAt, &r.availableAt, &r.createdAt}
}

// crashes returns how often in a row a reservation of the job ended without an outcome.
func (r *row) crashes() int64 {
	switch {
	case !r.reservedAt.Valid:
		return 0
	case r.availableAt < maxCrashes:
		return r.availableAt + 1
	default:
		return 1
	}
}

// releases returns how often the job was released.
func (r *row) releases() int64 { return max(0, r.attempts-r.crashes()) }

// age returns the time since the job was put.
func (r *row) age() time.Duration {
	return max(0, time.Duration(time.Now().Unix()-r.createdAt)*time.Second)
}

// reservation is a row that a source has reserved.
type reservation struct {
	row         // as it was before
	token int64 // its attempts since then
}

// maxAttempts is the most that the column attempts can hold in MySQL.
const maxAttempts = 255

// job returns the reserved job.
func (r *reservation) job() queue.Job {
	return queue.Job{ID: uint64(r.id), Body: r.payload, Stats: &queue.Stats{
		Queue: r.queue, State: "reserved", Priority: queue.DefaultPriority, Age: r.age(),
		New:      r.attempts == 0 && !r.reservedAt.Valid,
		Reserves: int(r.attempts) + 1, Releases: int(r.releases()),
	}}
}

// still is a condition for the rows whose reservations have not ended.
func still(held []*reservation) string {
	ids := map[int64][]string{}
	for _, r := range held {
		ids[r.token] = append(ids[r.token], fmt.Sprint(r.id))
	}
	var either []string
	for _, token := range slices.Sorted(maps.Keys(ids)) {
		either = append(either, fmt.Sprintf("attempts = %d AND id IN (%s)", token, strings.Join(ids[token], ", ")))
	}
	return "reserved_at IS NOT NULL AND (" + strings.Join(either, " OR ") + ")"
}

// free makes jobs ready whose reservations have not ended. This counts as a crash.
func (c conn) free(ctx context.Context, held []*reservation) error {
	if len(held) == 0 {
		return nil
	}
	_, err := c.exec(ctx, "UPDATE {jobs} SET reserved_at = 0 WHERE "+still(held))
	return err
}

// expired returns the time of reservations that have ended now.
func (q *Queue) expired() int64 { return time.Now().Add(-q.options.RetryAfter).Unix() }

// ready is a condition with the arguments queue, time and expired.
const ready = "queue = ? AND (reserved_at IS NULL AND available_at <= ? OR reserved_at <= ?)"

// errPartly means that not all jobs of several commands are still reserved.
var errPartly = errors.New("some of the jobs are not reserved any more")

// apply executes commands within a transaction.
func (s *source) apply(commands []*command) error {
	byKind := map[kind][]*command{}
	for _, c := range commands {
		c.err, c.reserved = nil, nil
		if c.kind < countBuried {
			if c.reserved = s.held[c.id]; c.reserved == nil {
				c.err = queue.ErrNotFound
				continue
			}
		}
		byKind[c.kind] = append(byKind[c.kind], c)
	}
	for k := touch; k <= reserve; k++ {
		if len(byKind[k]) == 0 {
			continue
		}
		if err := s.applyKind(k, byKind[k]); err != nil {
			return err
		}
	}
	return nil
}

// applyKind executes commands of one kind.
func (s *source) applyKind(k kind, commands []*command) error {
	switch k {
	case touch:
		return s.change(commands, fmt.Sprint("UPDATE {jobs} SET reserved_at = ", time.Now().Unix(), " WHERE "))
	case remove:
		return s.change(commands, "DELETE FROM {jobs} WHERE ")
	case reserve:
		return s.reserve(commands)
	}
	for _, c := range commands {
		var err error
		switch r := c.reserved; k {
		case giveBack: // as before, so that it costs no attempt
			before := "NULL"
			if r.reservedAt.Valid {
				before = "0"
			}
			err = s.change([]*command{c}, fmt.Sprintf("UPDATE {jobs} SET reserved_at = %s, attempts = %d, available_at = %d WHERE ",
				before, r.attempts, r.availableAt))
		case release: // crashes are no attempts
			err = s.change([]*command{c}, fmt.Sprintf("UPDATE {jobs} SET reserved_at = NULL, attempts = %d, available_at = %d WHERE ",
				min(maxAttempts, r.releases()+1), time.Now().Add(c.delay).Unix()))
		case bury:
			err = s.bury(c)
		case countBuried:
			err = s.conn.row(s.ctx, []any{&c.count}, "SELECT COUNT(*) FROM {failed} WHERE connection = ? AND queue = ?",
				s.q.options.Connection, s.queue)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change executes a statement, to which a condition is added, for the jobs of commands.
func (s *source) change(commands []*command, statement string) error {
	var held []*reservation
	for _, c := range commands {
		held = append(held, c.reserved)
	}
	n, err := s.conn.exec(s.ctx, statement+still(held))
	switch {
	case err != nil:
		return err
	case n == int64(len(commands)):
		return nil
	case len(commands) > 1:
		return errPartly
	default:
		commands[0].err = queue.ErrNotFound
		return nil
	}
}

// bury moves a job to the table of failed jobs.
func (s *source) bury(c *command) error {
	if err := s.change([]*command{c}, "DELETE FROM {jobs} WHERE "); err != nil || c.err != nil {
		return err
	}
	return s.conn.addFailed(s.ctx, c.reserved, c.reason)
}

// reserve reserves the next jobs, as many as there are commands. Commands for which there is none end with queue.ErrEmpty.
func (s *source) reserve(commands []*command) error {
	now := time.Now()
	var found []*reservation
	var ids []string
	err := s.conn.rows(s.ctx, func(rows *sql.Rows) error {
		r := &reservation{}
		err := rows.Scan(r.scan()...)
		r.token = min(maxAttempts, r.attempts+1)
		found, ids = append(found, r), append(ids, fmt.Sprint(r.id))
		return err
	}, "SELECT "+columns+" FROM {jobs} WHERE "+ready+" ORDER BY id LIMIT "+fmt.Sprint(len(commands))+s.skipLocked,
		s.queue, now.Unix(), s.q.expired())
	if err != nil {
		return err
	}
	s.emptyUntil = time.Time{}
	if len(found) < len(commands) {
		s.emptyUntil = now.Add(s.interval)
	}
	for i, c := range commands {
		if i < len(found) {
			c.reserved, c.job = found[i], found[i].job()
		} else {
			c.err = queue.ErrEmpty
		}
	}
	if len(found) == 0 {
		return nil
	}
	// MySQL computes the columns from left to right, each with the new values of those before.
	_, err = s.conn.exec(s.ctx, fmt.Sprintf(`UPDATE {jobs} SET available_at = CASE WHEN reserved_at IS NULL THEN available_at
		WHEN available_at < %d THEN available_at + 1 ELSE 1 END,
		attempts = CASE WHEN attempts < %d THEN attempts + 1 ELSE attempts END, reserved_at = %d WHERE id IN (%s)`,
		maxCrashes, maxAttempts, now.Unix(), strings.Join(ids, ", ")))
	return err
}
