package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"perigee/engine/queue"
	"perigee/engine/wire"
)

// otherFailed is added to the IDs of failed jobs that other workers have written, since their numbers in the jobs table are not
// known. It leaves them exact in JSON.
const otherFailed = 1_000_000_000_000_000

// failed is a row of the table of failed jobs.
type failed struct {
	id               int64
	queue, exception string
	payload          []byte
}

const failedColumns = "id, queue, payload, exception"

func (f *failed) scan() []any { return []any{&f.id, &f.queue, &f.payload, &f.exception} }

// exception is the text with which a failed job begins: its number, how often it was tried, and why it failed.
func exception(id, attempt int64, reason string) string {
	// PostgreSQL accepts neither NUL nor bytes that are not UTF-8.
	return fmt.Sprintf("%s%d: %s", numbered(id), attempt, strings.ReplaceAll(strings.ToValidUTF8(reason, "\ufffd"), "\x00", "\ufffd"))
}

// numbered is how the exception of a job with an ID begins.
func numbered(id int64) string { return fmt.Sprintf("Perigee job %d, attempt ", id) }

// ourException matches the exceptions that this package writes.
var ourException = sync.OnceValue(func() *regexp.Regexp { //nolint:gochecknoglobals // compiled once, when first needed
	return regexp.MustCompile(`(?s)^Perigee job (\d+), attempt (\d+): (.*)$`)
})

// read returns what the exception says: number and attempt are 0 if another worker has written it.
func (f *failed) read() (number, attempt int64, reason string) {
	m := ourException().FindStringSubmatch(f.exception)
	if m == nil {
		line, _, _ := strings.Cut(f.exception, "\n") // the rest is PHP's stack
		return 0, 0, line
	}
	number, errNumber := strconv.ParseInt(m[1], 10, 64)
	attempt, errAttempt := strconv.ParseInt(m[2], 10, 64)
	if errNumber != nil || errAttempt != nil {
		return 0, 0, m[3]
	}
	return number, attempt, m[3]
}

// job returns the failed job.
func (f *failed) job() (queue.Job, queue.Stats) {
	number, attempt, reason := f.read()
	if number == 0 {
		number = otherFailed + f.id
	}
	return queue.Job{ID: uint64(number), Body: f.payload}, queue.Stats{
		Queue: f.queue, State: string(queue.Buried), Priority: queue.DefaultPriority, Age: queue.UnknownAge, Reason: reason,
		Reserves: int(attempt), Releases: int(max(0, attempt-1)), Buries: 1,
	}
}

// addFailed adds a job that was just deleted, within the same transaction.
func (c conn) addFailed(ctx context.Context, r *reservation, reason string) error {
	uuid, err := c.unusedUUID(ctx, r.payload)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "INSERT INTO {failed} (uuid, connection, queue, payload, exception, failed_at) VALUES (?, ?, ?, ?, ?, ?)",
		uuid, c.q.options.Connection, r.queue, string(r.payload), exception(r.id, r.releases()+1, reason),
		time.Now().UTC().Format(time.DateTime))
	return err
}

// unusedUUID returns the UUID in the payload of a job of Laravel. If there is none, or a failed job has it already, it returns
// another.
func (c conn) unusedUUID(ctx context.Context, payload []byte) (string, error) {
	var body struct {
		UUID string `json:"uuid"`
	}
	const longest = 255 // characters in the column
	if json.Unmarshal(payload, &body) == nil && body.UUID != "" && len(body.UUID) <= longest {
		var one int
		err := c.row(ctx, []any{&one}, "SELECT 1 FROM {failed} WHERE uuid = ?", body.UUID)
		if errors.Is(err, queue.ErrNotFound) {
			return body.UUID, nil
		}
		if err != nil {
			return "", err
		}
	}
	return wire.NewID(), nil
}

// findFailed returns the failed job with a number, or queue.ErrNotFound.
func (c conn) findFailed(ctx context.Context, number uint64) (failed, error) {
	var f failed
	if number > otherFailed {
		return f, c.row(ctx, f.scan(), "SELECT "+failedColumns+" FROM {failed} WHERE connection = ? AND id = ?",
			c.q.options.Connection, int64(min(number-otherFailed, otherFailed)))
	}
	return f, c.row(ctx, f.scan(), "SELECT "+failedColumns+" FROM {failed} WHERE connection = ? AND exception LIKE ? ORDER BY id DESC LIMIT 1",
		c.q.options.Connection, numbered(int64(number))+"%")
}

// failedOf returns the oldest failed jobs of a queue.
func (c conn) failedOf(ctx context.Context, name string, most int) (all []failed, err error) {
	err = c.rows(ctx, func(rows *sql.Rows) error {
		var f failed
		err := rows.Scan(f.scan()...)
		all = append(all, f)
		return err
	}, "SELECT "+failedColumns+" FROM {failed} WHERE connection = ? AND queue = ? ORDER BY id LIMIT "+fmt.Sprint(most),
		c.q.options.Connection, name)
	return all, err
}

// kickAll makes up to n failed jobs of a queue ready, the oldest first, and returns how many.
func (c conn) kickAll(ctx context.Context, name string, n int) (kicked int, err error) {
	const batch = 100 // jobs read at once
	for kicked < n {
		some, err := c.failedOf(ctx, name, min(batch, n-kicked))
		if err != nil || len(some) == 0 {
			return kicked, err
		}
		for _, f := range some {
			there, err := c.kickFailed(ctx, f)
			if err != nil {
				return kicked, err
			}
			if there {
				kicked++
			}
		}
	}
	return kicked, nil
}

// kickFailed makes a failed job ready, with the attempts that it had before the last, and reports whether it was still there.
func (c conn) kickFailed(ctx context.Context, f failed) (kicked bool, err error) {
	err = c.transaction(ctx, func() error {
		n, err := c.exec(ctx, "DELETE FROM {failed} WHERE id = ?", f.id)
		if kicked = n > 0; err != nil || !kicked {
			return err
		}
		_, attempt, _ := f.read()
		now := time.Now().Unix()
		_, err = c.exec(ctx, "INSERT INTO {jobs} (queue, payload, attempts, reserved_at, available_at, created_at) VALUES (?, ?, ?, NULL, ?, ?)",
			f.queue, string(f.payload), max(0, attempt-1), now, now)
		return err
	})
	return kicked, err
}
