package database

import (
	"strings"
	"testing"
	"time"

	"perigee/engine/enginetest/laraveldb"
	"perigee/engine/queue"
	"perigee/engine/queue/queuetest"
)

// options returns those of a queue in the usual tables of a database.
func options(s *laraveldb.Server, retryAfter time.Duration) Options {
	return Options{
		DSN: s.DSN, Table: "jobs", FailedTable: "failed_jobs", Connection: "database", Poll: 250 * time.Millisecond, RetryAfter: retryAfter,
	}
}

// The driver keeps the promises of all drivers, with each kind of database.
func TestPromises(t *testing.T) {
	t.Parallel()
	for _, kind := range laraveldb.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			shared := laraveldb.Start(t, kind)
			queuetest.Run(t, func(t *testing.T, ttr time.Duration) queuetest.Service {
				t.Helper()
				s, o := shared, options(shared, ttr)
				var kill, restart func()
				if kind == laraveldb.SQLite || strings.HasSuffix(t.Name(), "/outage") {
					s = laraveldb.Start(t, kind)
					o = options(s, ttr)
				} else {
					o.Table, o.FailedTable = s.NewTables(t)
				}
				if kind != laraveldb.SQLite {
					kill, restart = s.Kill, func() { s.Restart(t) }
				}
				return queuetest.Service{
					Driver: func() queue.Driver { return New(o) }, Client: New(o), TTR: ttr, Ages: true, Reasons: true,
					Kill: kill, Restart: restart,
				}
			})
		})
	}
}
