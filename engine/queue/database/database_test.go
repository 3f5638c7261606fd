package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/engine/enginetest/laraveldb"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// fixture is a test with a database, and with a queue that finds jobs only if it is told of them.
type fixture struct {
	*testing.T
	server *laraveldb.Server
	q      *Queue
}

// Each kind of database does the same.
func TestDatabases(t *testing.T) {
	t.Parallel()
	for _, kind := range laraveldb.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := laraveldb.Start(t, kind)
			for name, test := range map[string]func(t *fixture){
				"failed rows": testFailedRows, "failed by others": testFailedByOthers, "kick many": testKickMany, "taken by another": testTakenByAnother,
				"crashes": testCrashesAreCounted, "put": testPutWakesSource, "close": testCloseWhileLocked, "refused": testRefused,
				"errors": testErrors, // with a database of its own, which it kills
			} {
				t.Run(name, func(t *testing.T) {
					f := &fixture{T: t, server: s}
					if name == "errors" {
						f.server = laraveldb.Start(t, kind)
					}
					o := options(f.server, 5*time.Minute)
					o.Table, o.FailedTable = f.server.NewTables(t)
					o.Poll = time.Hour
					f.q = New(o)
					t.Cleanup(func() { _ = f.q.Close() })
					test(f)
				})
			}
		})
	}
}

// text replaces the usual names of the tables.
func (t *fixture) text(statement string) string {
	return regexp.MustCompile(`\b(failed_)?jobs\b`).ReplaceAllStringFunc(statement, func(name string) string {
		if name == "jobs" {
			return t.q.options.Table
		}
		return t.q.options.FailedTable
	})
}

func (t *fixture) exec(statement string) {
	t.Helper()
	t.server.Exec(t, t.text(statement))
}

func (t *fixture) rows(query string) []string {
	t.Helper()
	return t.server.Rows(t, t.text(query))
}

// put puts a job and returns its ID.
func put(t *testing.T, q *Queue, body string) uint64 {
	t.Helper()
	id, err := q.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(body), Priority: queue.DefaultPriority})
	if err != nil {
		t.Fatalf("Put = %v, want nil", err)
	}
	return id
}

// testSource is a source whose answers a test waits for.
type testSource struct {
	t *testing.T
	queue.Source
}

func open(t *testing.T, q *Queue) testSource {
	t.Helper()
	s, err := q.Open(t.Context(), "default")
	if err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	return testSource{t, s}
}

// begin reserves the next job and returns a channel for the answer.
func (s testSource) begin(wait time.Duration) <-chan queue.Job {
	jobs := make(chan queue.Job, 1)
	s.Reserve(wait, func(j queue.Job, err error) {
		if err != nil {
			s.t.Errorf("Reserve = %v, want a job", err)
		}
		jobs <- j
	})
	s.Flush()
	return jobs
}

func (s testSource) reserve() queue.Job {
	s.t.Helper()
	return testkit.Receive(s.t, s.begin(0), "the job")
}

// do calls methods in one batch, and returns their answers.
func (s testSource) do(methods ...func(answer func(error))) []error {
	s.t.Helper()
	answers := make(chan error, len(methods))
	for _, method := range methods {
		method(func(err error) { answers <- err })
	}
	s.Flush()
	var all []error
	for range methods {
		all = append(all, testkit.Receive(s.t, answers, "an answer"))
	}
	return all
}

func (s testSource) bury(j queue.Job, reason string) {
	s.t.Helper()
	if err := s.do(func(answer func(error)) { s.Bury(j.ID, queue.DefaultPriority, reason, answer) })[0]; err != nil {
		s.t.Errorf("Bury = %v, want nil", err)
	}
}

// A job that another worker has taken after its reservation ended is not found. That does not hold up the others of the batch.
func testTakenByAnother(t *fixture) {
	source := open(t.T, t.q)
	defer source.Close()
	var jobs []queue.Job
	for range 3 {
		put(t.T, t.q, "{}")
		jobs = append(jobs, source.reserve())
	}
	t.exec(fmt.Sprintf("UPDATE jobs SET attempts = 2 WHERE id = %d", jobs[1].ID))
	var methods []func(answer func(error))
	for _, j := range jobs {
		methods = append(methods, func(answer func(error)) { source.Touch(j.ID, answer) })
	}
	for _, j := range jobs {
		methods = append(methods, func(answer func(error)) { source.Delete(j.ID, answer) })
	}
	got := source.do(methods...)
	for i, err := range got {
		if taken := i%3 == 1; taken != errors.Is(err, queue.ErrNotFound) || !taken && err != nil {
			t.Errorf("answers: got %v, want not found for the second job only", got)
		}
	}
	if rows := t.rows("SELECT id FROM jobs"); !slices.Equal(rows, []string{fmt.Sprint(jobs[1].ID)}) {
		t.Errorf("jobs has %q, want the second one only", rows)
	}
}

// Reservations that end without an outcome are counted apart from attempts, also if a Laravel worker held the job before.
func testCrashesAreCounted(t *fixture) {
	source := open(t.T, t.q)
	defer source.Close()
	id := put(t.T, t.q, "{}")
	expect := func(when string, reserves, releases int) {
		t.Helper()
		j := source.reserve()
		if j.ID != id || j.Stats.Reserves != reserves || j.Stats.Releases != releases {
			t.Errorf("Reserve %s = %d, %+v, want %d reserves and %d releases", when, j.ID, j.Stats, reserves, releases)
		}
	}
	release := func() {
		t.Helper()
		if err := source.do(func(answer func(error)) { source.Release(id, queue.DefaultPriority, 0, answer) })[0]; err != nil {
			t.Errorf("Release = %v, want nil", err)
		}
	}
	end := func() { t.exec("UPDATE jobs SET reserved_at = 1") }
	expect("at first", 1, 0)
	release()
	expect("after a failed attempt", 2, 1)
	end()
	expect("after a crash", 3, 1)
	end()
	expect("after two", 4, 1)
	release()
	expect("after the second failed attempt", 3, 2)
	if err := source.do(func(answer func(error)) { source.GiveBack(id, queue.DefaultPriority, answer) })[0]; err != nil {
		t.Errorf("GiveBack = %v, want nil", err)
	}
	expect("after it was given back", 3, 2)
	release()
	t.exec(fmt.Sprintf("UPDATE jobs SET attempts = 255, reserved_at = 1, available_at = %d", time.Now().Unix()))
	expect("after very many attempts by Laravel's worker", 256, 254)
	release()
	expect("after one more", 256, 255)
}

// A source that waits is told of jobs that this process puts.
func testPutWakesSource(t *fixture) {
	source := open(t.T, t.q)
	defer source.Close()
	none := make(chan error, 1)
	source.Reserve(0, func(_ queue.Job, err error) { none <- err })
	source.Flush()
	if err := testkit.Receive(t.T, none, "the answer"); !errors.Is(err, queue.ErrEmpty) {
		t.Errorf("Reserve = %v, want %v", err, queue.ErrEmpty)
	}
	jobs := source.begin(time.Hour)
	id := put(t.T, t.q, "{}")
	if j := testkit.Receive(t.T, jobs, "the job"); j.ID != id {
		t.Errorf("Reserve = %d, want %d", j.ID, id)
	}
}

// With the trigger of the documents, PostgreSQL tells a source that waits of jobs that others put.
func TestNotify(t *testing.T) {
	t.Parallel()
	s := laraveldb.Start(t, laraveldb.PostgreSQL)
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sql\n")
	trigger, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the documents do not show a trigger")
	}
	s.Exec(t, trigger)
	o := options(s, 5*time.Minute)
	o.Poll = time.Hour
	q := New(o)
	defer q.Close()
	source := open(t, q)
	defer source.Close()
	testkit.WaitFor(t, "LISTEN", func() bool {
		return len(s.Rows(t, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")) > 0
	})
	jobs := source.begin(time.Hour)
	s.Exec(t, "INSERT INTO jobs (queue, payload, attempts, available_at, created_at) VALUES ('default', '{}', 0, 0, 0)")
	if j := testkit.Receive(t, jobs, "the job"); string(j.Body) != "{}" {
		t.Errorf("Reserve = %s, want the job", j.Body)
	}
}

// A source can be closed while another transaction locks its jobs.
func testCloseWhileLocked(t *fixture) {
	source := open(t.T, t.q)
	put(t.T, t.q, "{}")
	j := source.reserve()
	db := t.server.Open(t.T)
	defer db.Close()
	lock, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.Exec(t.text("UPDATE jobs SET queue = 'default'")); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	source.Delete(j.ID, func(err error) { answered <- err })
	source.Flush()
	source.Close()
	select {
	case err := <-answered:
		if err == nil {
			t.Error("Delete of a locked job = nil, want an error")
		}
	default:
		t.Error("Close returned before the answer")
	}
}

// Without the tables, an error says how they are made. Without the database, errors name it, and not its password.
func testErrors(t *fixture) {
	check := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), laraveldb.Password) {
			t.Errorf("got the error %v, want one with %q and without the password", err, want)
		}
	}
	t.exec("ALTER TABLE failed_jobs RENAME TO others")
	_, err := t.q.Open(t.Context(), "default")
	check(err, t.q.options.FailedTable)
	check(err, "php artisan queue:failed-table")
	t.exec("DROP TABLE jobs")
	_, err = t.q.Open(t.Context(), "default")
	check(err, "php artisan queue:table")
	if t.server.Kind == laraveldb.SQLite {
		o := t.q.options
		o.DSN += ".missing"
		t.q = New(o)
	}
	t.server.Kill()
	_, err = t.q.Open(t.Context(), "default")
	check(err, t.q.target.address)
	_, err = t.q.Put(t.Context(), queue.PutRequest{Queue: "default", Priority: queue.DefaultPriority})
	check(err, t.q.target.address)
	if errors.Is(err, queue.ErrUnsure) {
		t.Errorf("Put without a database = %v, want it to be sure", err)
	}
}

// A text that the database does not accept is refused. That ends no connection.
func testRefused(t *fixture) {
	_, err := t.q.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte("\xff\xfe"), Priority: queue.DefaultPriority})
	if accepts := t.server.Kind == laraveldb.SQLite; accepts != (err == nil) || !accepts && !errors.Is(err, queue.ErrRefused) || errors.Is(err, queue.ErrUnsure) {
		t.Errorf("Put of bytes that are no text = %v, want %v, except from SQLite", err, queue.ErrRefused)
	}
}

// Open ends with its context if the database does not answer.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, scheme := range []string{"postgres", "mysql"} {
		t.Run(scheme, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := New(Options{DSN: scheme + "://app:secret@" + l.Addr().String() + "/app"}).Open(ctx, "default")
			if err == nil || time.Since(began) >= answerTimeout {
				t.Errorf("Open of a server that does not answer = %v after %v, want an error when its context ends", err, time.Since(began))
			}
		})
	}
}

// A DSN that cannot be used is an error that does not show it.
func TestInvalidDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                                      "the dsn is missing",
		"app:canary@tcp(127.0.0.1)/app":         "no URL",
		"oracle://app:canary@127.0.0.1/app":     `"oracle" is no known scheme`,
		"postgres://app:can%zzary@127.0.0.1/a":  "not a valid URL",
		"postgres://app:canary@h/a?sslmode=odd": "sslmode",
		"mysql://app:canary@h/a?timeout=odd":    "invalid duration",
		"sqlite://":                             "no path",
	} {
		q := New(Options{DSN: dsn})
		_, err := q.Open(t.Context(), "default")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("Open(%q) = %v, want an error with %q", dsn, err, want)
		}
		if err := q.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	}
}

// Old versions of MySQL and MariaDB cannot skip locked rows.
func TestSkipsLocked(t *testing.T) {
	for version, want := range map[string]bool{
		"8.0.36": true, "8.0.0": false, "5.7.44-log": false, "8.4.0": true, "9.1.0": true, "odd": false, "8.99999999999999999999.1": false,
		"10.11.6-MariaDB-0+deb12u1": true, "10.5.23-MariaDB": false, "10.6.0-MariaDB": true, "5.5.5-10.4.1-MariaDB": false, "11.4.2-MariaDB": true,
	} {
		if got := skipsLocked(version); got != want {
			t.Errorf("skipsLocked(%q) = %t, want %t", version, got, want)
		}
	}
}
