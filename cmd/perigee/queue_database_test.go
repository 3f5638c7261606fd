package main

import (
	"regexp"
	"strings"
	"testing"

	"perigee/engine/enginetest/laraveldb"
)

// The commands of the queue act on the jobs and the failed jobs of a database. They say what it cannot do.
func TestQueueOfDatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	db := laraveldb.Start(t, laraveldb.SQLite)
	db.Exec(t, `INSERT INTO failed_jobs (uuid, connection, queue, payload, exception) VALUES
		('u1', 'database', 'default', '{"job":"Broken"}', 'Perigee job 7, attempt 5: it is broken'), ('u2', 'database', 'default', '{"job":"Other"}', 'PHP')`)
	for _, row := range []struct {
		args   string // words
		code   int
		stdout string // regular expressions
		stderr string
	}{
		{`push AddPrize {"prize":{}}`, 0, `^job 1 is in "default"\n$`, "^$"},
		{`push --delay 1h AddPrize`, 0, `^job 2 is in "default"\n$`, "^$"},
		{`push --priority 7 AddPrize`, 1, "^$", "it has no such feature: jobs in a database have no priorities\n$"},
		{`push --ttr 5m AddPrize`, 1, "^$", "it has no such feature: queue.retry_after is that of all jobs in a database\n$"},
		{`queue stats`, 0, `^queue +default\nready +1\ndelayed +1\nreserved +0\nburied +2\n$`, "^$"},
		{`queue peek`, 0, `^job +1\nqueue +default\nstate +ready\npriority +1024\nage +\d+s\nreserves +0\nreleases +0\nbody +\{"job":"AddPrize"`, "^$"},
		{`queue peek 7`, 0, `^job +7\nqueue +default\nstate +buried\npriority +1024\nreserves +5\nreleases +4\nreason +"it is broken"\nbody +\{"job":"Broken"\}\n$`, "^$"},
		{`queue kick --job 7`, 0, "^job 7 is ready\n$", "^$"},
		{`queue peek 3`, 0, `^job +3\nqueue +default\nstate +ready\n`, "^$"},
		{`queue delete 1000000000000002`, 0, "^deleted job 1000000000000002\n$", "^$"},
		{`queue kick`, 0, `^made ready again in "default": 1\n$`, "^$"},
		{`queue stats`, 0, `ready +3\ndelayed +0\nreserved +0\nburied +0\n$`, "^$"},
	} {
		code, stdout, stderr := perigee(t, []string{"SERVER_QUEUE_DRIVER=database", "SERVER_QUEUE_DSN=" + db.DSN}, strings.Fields(row.args)...)
		if code != row.code || !regexp.MustCompile(row.stdout).MatchString(stdout) || !regexp.MustCompile(row.stderr).MatchString(stderr) {
			t.Errorf("perigee %s = %d, %q, %q, want %d, %s, %s", row.args, code, stdout, stderr, row.code, row.stdout, row.stderr)
		}
	}
	code, _, stderr := perigee(t, []string{"SERVER_QUEUE_DRIVER=database", "SERVER_QUEUE_DSN=postgres://app:canary@127.0.0.1:1/app"}, "queue", "stats")
	if code != exitFailed || strings.Contains(stderr, "canary") || !strings.HasSuffix(stderr, "connection refused: start the database there, or name another with queue.dsn\n") {
		t.Errorf("perigee queue stats without a database = %d, %q, want a remedy and no password", code, stderr)
	}
}
