// Package database owns the tables in which Laravel's database driver keeps jobs and failed jobs, on PostgreSQL, MySQL, MariaDB or
// SQLite, behind the interfaces of package queue. It must not know what the body of a job means, nor when a job is done.
//
// A row of the jobs table is reserved while its reserved_at is younger than Options.RetryAfter, for Laravel's workers as for this
// package. Attempts counts the reservations. So a row with the same attempts that is still reserved is reserved by the same worker.
// While a row is reserved, available_at means nothing to Laravel: values below maxCrashes count here how often in a row the
// reservation ended without an outcome, which is no attempt.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"perigee/engine/queue"
)

// Options are the settings of a Queue. All fields are required.
type Options struct {
	// DSN is the URL of the database: postgres://, mysql:// or sqlite://.
	DSN string
	// Table and FailedTable are the names of the tables of jobs and of failed jobs.
	Table, FailedTable string
	// Connection is the name of the connection in the application's config/queue.php: queue:retry puts a failed job back there.
	Connection string
	// Poll is the time between two looks for a job while a worker waits.
	Poll time.Duration
	// RetryAfter is how long a job stays reserved without being touched, in whole seconds.
	RetryAfter time.Duration
}

// Bounds of the connections.
const (
	answerTimeout = 10 * time.Second       // for the next bytes of an answer
	closeTimeout  = 500 * time.Millisecond // for the statement under way when a source is closed
	verifyAfter   = time.Second            // how long a connection may be unused before it is verified
	maxTries      = 3                      // of a transaction that collides with others
)

// maxCrashes is more than any count of crashes and less than any time: it is in 1970.
const maxCrashes = 1_000_000

var (
	_ queue.Driver   = (*Queue)(nil)
	_ queue.Producer = (*Queue)(nil)
	_ queue.Admin    = (*Queue)(nil)
)

// Queue is the queues of one pair of tables. It connects when it is first used, and is safe for concurrent use.
type Queue struct {
	// Set by New, never changed.
	options Options
	target  *target
	invalid error // what is wrong with the DSN

	mu sync.Mutex
	// Guarded by mu.
	db        *sql.DB // of the methods of Producer and Admin; nil until it is needed, and after Close
	usedAt    time.Time
	closed    bool
	abandoned map[string][]*reservation         // by queue: reservations of sources that have lost their connection
	waiting   map[string]map[chan struct{}]bool // by queue: the sources that want to know of new jobs
}

// New returns a queue that does not connect yet. The caller must close it.
func New(o Options) *Queue {
	q := &Queue{options: o, abandoned: map[string][]*reservation{}, waiting: map[string]map[chan struct{}]bool{}}
	q.target, q.invalid = parse(o.DSN)
	return q
}

// Close closes the connections of Producer and Admin.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.db == nil {
		return nil
	}
	err := q.db.Close()
	q.db = nil
	return err
}

var errClosed = errors.New("database: the client is closed")

// pool returns the connections of Producer and Admin, and reports whether they were in use just now.
func (q *Queue) pool() (db *sql.DB, fresh bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.invalid != nil:
		return nil, false, q.invalid
	case q.closed:
		return nil, false, errClosed
	case q.db == nil:
		connector, err := q.target.connector(&dialer{})
		if err != nil {
			return nil, false, err
		}
		q.db = sql.OpenDB(connector)
		q.db.SetConnMaxIdleTime(time.Minute)
	}
	fresh = time.Since(q.usedAt) < verifyAfter
	q.usedAt = time.Now()
	return q.db, fresh, nil
}

// withConn calls f with a connection. The error names the database.
func (q *Queue) withConn(ctx context.Context, f func(c conn) error) error {
	db, fresh, err := q.pool()
	if err != nil {
		return err
	}
	raw, err := db.Conn(ctx)
	if err == nil && !fresh && raw.PingContext(ctx) != nil { // the database was restarted, maybe
		_ = raw.Close()
		raw, err = db.Conn(ctx)
	}
	if err != nil {
		return q.explain(err)
	}
	defer func() { _ = raw.Close() }()
	return q.explain(f(conn{Conn: raw, q: q}))
}

// explain adds to an error which database it is about.
func (q *Queue) explain(err error) error {
	if err == nil || errors.Is(err, queue.ErrNotFound) {
		return err
	}
	return fmt.Errorf("database: %s: %w", q.target.address, err)
}

// conn is a connection to the database.
type conn struct {
	*sql.Conn
	q *Queue
}

// text returns a statement for the database: jobs and failed in braces stand for the tables, and question marks for arguments.
func (c conn) text(statement string) string {
	return c.q.target.rebind(strings.NewReplacer(
		"{jobs}", c.q.target.quoted(c.q.options.Table), "{failed}", c.q.target.quoted(c.q.options.FailedTable)).Replace(statement))
}

// exec executes a statement and returns how many rows it changed.
func (c conn) exec(ctx context.Context, statement string, arguments ...any) (int64, error) {
	result, err := c.ExecContext(ctx, c.text(statement), arguments...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row runs a query for one row. The error is queue.ErrNotFound if there is none.
func (c conn) row(ctx context.Context, into []any, query string, arguments ...any) error {
	err := c.QueryRowContext(ctx, c.text(query), arguments...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return queue.ErrNotFound
	}
	return err
}

// rows runs a query and calls scan for each row.
func (c conn) rows(ctx context.Context, scan func(rows *sql.Rows) error, query string, arguments ...any) error {
	rows, err := c.QueryContext(ctx, c.text(query), arguments...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// transaction calls f between begin and commit, again if it collides with another transaction. If f fails, nothing has changed.
func (c conn) transaction(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		_, err := c.ExecContext(ctx, c.q.target.begin)
		if err == nil {
			if err = f(); err == nil {
				_, err = c.ExecContext(ctx, "COMMIT")
			}
			if err != nil {
				if _, rollback := c.ExecContext(ctx, "ROLLBACK"); rollback != nil && !c.q.target.ended(rollback) {
					return fmt.Errorf("%s; rolling back: %w", err.Error(), rollback)
				}
			}
		}
		if err == nil || !c.q.target.collides(err) || try == maxTries {
			return err
		}
	}
}

// checkTables returns an error if a table or a column is missing.
func (c conn) checkTables(ctx context.Context) error {
	for _, table := range []struct{ name, columns, maker string }{
		{"{jobs}", "id, queue, payload, attempts, reserved_at, available_at, created_at", "queue:table"},
		{"{failed}", "id, uuid, connection, queue, payload, exception, failed_at", "queue:failed-table"},
	} {
		err := c.rows(ctx, func(*sql.Rows) error { return nil }, "SELECT "+table.columns+" FROM "+table.name+" WHERE 1 = 0")
		if err != nil {
			return fmt.Errorf("the table %s is not as php artisan %s makes it: %w", c.text(table.name), table.maker, err)
		}
	}
	return nil
}
