package main

import (
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest/laraveldb"
	"perigee/engine/testkit"
)

// The same as TestCrashesLoseNoJob with databases. They lose no job, and a killed server's jobs are ready again after two seconds.
func TestDatabaseCrashesLoseNoJob(t *testing.T) {
	if testing.Short() {
		t.Skip("crashes take some seconds")
	}
	for _, kind := range laraveldb.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			db := laraveldb.Start(t, kind)
			c := crashes{
				name: string(kind), queue: config.Default().Queue, address: "127.0.0.1:1",
				flags: []string{"--queue-dsn", db.DSN, "--queue-retry-after", "2s"},
				kills: testkit.Scale(4, 60), jobs: testkit.Scale(200, 10_000), ended: func(string) bool { return true },
			}
			c.queue.Driver, c.queue.DSN, c.queue.RetryAfter = config.DriverDatabase, config.Secret(db.DSN), config.Duration(2*time.Second)
			if kind != laraveldb.SQLite {
				c.kill, c.restart = db.Kill, func() { db.Restart(t) }
			}
			c.test(t)
		})
	}
}
