package database

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// A buried job is a row of the failed jobs as Laravel writes it, with the number of the job. Its UUID is that of the payload, unless
// another row has it.
func testFailedRows(t *fixture) {
	source := open(t.T, t.q)
	defer source.Close()
	const uuid = "6f1c2f9e-0d3b-4c0e-8a51-2f1f0c0a7b11"
	laravel := `{"uuid":"` + uuid + `","job":"Order","data":{"text":"it's \\ “quoted”"}}`
	var ids []uint64
	for _, body := range []string{laravel, laravel, "no JSON"} {
		ids = append(ids, put(t.T, t.q, body))
		source.bury(source.reserve(), "it's \x00 \xff “hopeless”")
	}
	rows := t.rows("SELECT uuid, connection, queue, payload, exception, failed_at FROM failed_jobs ORDER BY id")
	if len(rows) != 3 || !strings.HasPrefix(rows[0], uuid+"|") {
		t.Fatalf("failed_jobs has the rows %q, want three, the first with the UUID of the payload", rows)
	}
	for i, body := range []string{laravel, laravel, "no JSON"} {
		fields := strings.Split(rows[i], "|")
		reason := fmt.Sprintf("Perigee job %d, attempt 1: it's \ufffd \ufffd “hopeless”", ids[i])
		if fields[1] != "database" || fields[2] != "default" || fields[3] != body || fields[4] != reason {
			t.Errorf("failed_jobs has the row %q, want connection, queue, payload and %q", fields, reason)
		}
		if i > 0 && (fields[0] == uuid || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(fields[0])) {
			t.Errorf("row %d has the UUID %s, want another of version 4", i, fields[0])
		}
		at, err := time.Parse(time.DateTime, strings.NewReplacer("T", " ", "Z", "").Replace(fields[5]))
		if err != nil || time.Since(at).Abs() > testkit.Timeout {
			t.Errorf("row %d failed at %s, %v, want now in UTC", i, fields[5], err)
		}
	}
	if j, stats, err := t.q.PeekJob(t.Context(), "default", ids[2]); err != nil || string(j.Body) != "no JSON" || stats.State != "buried" {
		t.Errorf("PeekJob = %s, %+v, %v, want the last job, which is buried", j.Body, stats, err)
	}
	if err := t.q.KickJob(t.Context(), "default", ids[1]); err != nil {
		t.Errorf("KickJob = %v, want nil", err)
	}
	if j := source.reserve(); string(j.Body) != laravel || j.Stats.Releases != 0 {
		t.Errorf("Reserve after the kick = %s, %+v, want the job for its first attempt", j.Body, j.Stats)
	}
}

// A job that a Laravel worker has failed can be shown, kicked and deleted by a number that no other job has. One of another connection
// cannot be.
func testFailedByOthers(t *fixture) {
	for i, connection := range []string{"redis", "database", "database"} {
		t.exec(fmt.Sprintf("INSERT INTO failed_jobs (uuid, connection, queue, payload, exception) VALUES ('u%d', '%s', 'default', 'p%[1]d', 'It failed\n#0 a.php')", i, connection))
	}
	if n, err := t.q.Counts(t.Context(), "default"); err != nil || n.Buried != 2 {
		t.Errorf("Counts = %+v, %v, want 2 buried", n, err)
	}
	j, stats, err := t.q.Peek(t.Context(), "default", queue.Buried)
	if err != nil || j.ID != otherFailed+2 || string(j.Body) != "p1" || stats.Reason != "It failed" {
		t.Errorf("Peek(buried) = %d, %s, %+v, %v, want the job p1", j.ID, j.Body, stats, err)
	}
	if err := t.q.KickJob(t.Context(), "default", j.ID); err != nil {
		t.Errorf("KickJob = %v, want nil", err)
	}
	if err := t.q.Delete(t.Context(), "default", otherFailed+3); err != nil {
		t.Errorf("Delete = %v, want nil", err)
	}
	for _, number := range []uint64{1, otherFailed + 1, otherFailed + 3, 1 << 63} {
		if err := t.q.Delete(t.Context(), "default", number); (err == nil) != (number == 1) && !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("Delete(%d) = %v, want %v", number, err, queue.ErrNotFound)
		}
	}
	if rows := t.rows("SELECT uuid FROM failed_jobs"); !slices.Equal(rows, []string{"u0"}) {
		t.Errorf("failed_jobs has the rows %q, want that of the other connection", rows)
	}
}

// Many failed jobs are kicked, the oldest first, and not more than asked for.
func testKickMany(t *fixture) {
	for i := range 4 {
		var rows []string
		for j := range 60 {
			rows = append(rows, fmt.Sprintf("('u%d-%d', 'database', 'default', 'p%03d', 'PHP')", i, j, 60*i+j))
		}
		t.exec("INSERT INTO failed_jobs (uuid, connection, queue, payload, exception) VALUES " + strings.Join(rows, ", "))
	}
	if n, err := t.q.Kick(t.Context(), "default", 230); n != 230 || err != nil {
		t.Errorf("Kick(230) = %d, %v, want 230", n, err)
	}
	if rows := t.rows("SELECT MIN(payload), COUNT(*) FROM failed_jobs"); !slices.Equal(rows, []string{"p230|10"}) {
		t.Errorf("failed_jobs has from and how many: %q, want the last 10", rows)
	}
	if n, err := t.q.Kick(t.Context(), "default", 20); n != 10 || err != nil {
		t.Errorf("Kick(20) with 10 buried = %d, %v, want 10", n, err)
	}
	if rows := t.rows("SELECT MIN(payload), COUNT(*) FROM jobs"); !slices.Equal(rows, []string{"p000|240"}) {
		t.Errorf("jobs has from and how many: %q, want all 240", rows)
	}
}
