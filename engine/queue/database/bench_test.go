package database

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"perigee/engine/enginetest/laraveldb"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// doneAtOnce is a handler that succeeds at once.
type doneAtOnce struct{}

func (doneAtOnce) Job(_ context.Context, _ queue.Job, done func(error)) { done(nil) }

// BenchmarkWorker measures how fast a worker empties the queue: the jobs per second, and x-bare, how many times as fast that is as a
// loop over the same driver that reserves and deletes one job after the other, in the same run.
func BenchmarkWorker(b *testing.B) {
	for _, kind := range laraveldb.Kinds() {
		b.Run(string(kind), func(b *testing.B) {
			s := laraveldb.Start(b, kind)
			n := max(b.N, 100)
			fill(b, s, n)
			bare := bareLoop(b, s, n)
			fill(b, s, n)
			w := queue.NewWorker(queue.Options{
				Name: "default", Service: "database", TTR: time.Minute, Window: 64, MaxAttempts: 3, HandlerTimeout: time.Minute,
				Drain: func() time.Duration { return time.Second },
			}, New(options(s, time.Minute)), doneAtOnce{}, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(b.Context())
			var running sync.WaitGroup
			b.ResetTimer()
			began := time.Now()
			running.Go(func() { w.Run(ctx) })
			testkit.WaitFor(b, "the jobs", func() bool { return w.Status().Done == uint64(n) })
			rate := float64(n) / time.Since(began).Seconds()
			b.StopTimer()
			cancel()
			running.Wait()
			b.ReportMetric(rate, "jobs/s")
			b.ReportMetric(bare, "bare-jobs/s")
			b.ReportMetric(rate/bare, "x-bare")
		})
	}
}

// fill puts n jobs.
func fill(b *testing.B, s *laraveldb.Server, n int) {
	b.Helper()
	db := s.Open(b)
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for range n {
		_, err := tx.Exec(`INSERT INTO jobs (queue, payload, attempts, available_at, created_at) VALUES ('default',
			'{"job":"AddPrize","data":{"prize":{"name":"Mug of porcelain","sponsor":"Acme and Sons of London"}}}', 0, 0, 0)`)
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// bareLoop reserves and deletes n jobs one after the other, with the statements of Laravel's worker, and returns the jobs per second.
func bareLoop(b *testing.B, s *laraveldb.Server, n int) (rate float64) {
	b.Helper()
	db := s.Open(b)
	defer db.Close()
	db.SetMaxOpenConns(1)
	lock := " FOR UPDATE SKIP LOCKED"
	if s.Kind == laraveldb.SQLite {
		lock = ""
	}
	began := time.Now()
	for range n {
		if err := takeOne(b.Context(), db, lock); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// takeOne reserves and deletes a job.
func takeOne(ctx context.Context, db *sql.DB, lock string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	now := time.Now().Unix()
	var id int64
	var payload string
	err = tx.QueryRowContext(ctx, fmt.Sprintf(`SELECT id, payload FROM jobs WHERE queue = 'default' AND (reserved_at IS NULL AND available_at <= %d
		OR reserved_at <= %d) ORDER BY id LIMIT 1%s`, now, now-90, lock)).Scan(&id, &payload)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE jobs SET reserved_at = %d, attempts = attempts + 1 WHERE id = %d", now, id)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("DELETE FROM jobs WHERE id = %d", id))
	return err
}
