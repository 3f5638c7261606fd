// Package laraveldb runs real databases for tests, each in a temporary directory and on a free port of 127.0.0.1, with the tables that
// a Laravel application keeps its jobs in. It can kill and restart them. Only tests import it.
package laraveldb

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // registers itself with database/sql
	_ "github.com/lib/pq"              // the same
	_ "modernc.org/sqlite"             // the same

	"perigee/engine/testkit"
)

// Kind is a kind of database.
type Kind string

// The kinds.
const (
	PostgreSQL Kind = "postgresql"
	MariaDB    Kind = "mariadb"
	SQLite     Kind = "sqlite"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{PostgreSQL, MariaDB, SQLite} }

// Password is that of the user app. Like the DSN, it must not be shown.
const Password = "S3CRET-canary"

// Server is a database with the tables jobs and failed_jobs. It is killed when the test ends.
type Server struct {
	testkit.Process
	Kind Kind
	// DSN is the URL of the database, with user and password.
	DSN string
	// Directory holds the files of the database.
	Directory string

	driver, name string // of database/sql
	arguments    []string
	tables       atomic.Int64 // pairs of tables made
}

// Start starts a database. If it is not installed, the test is skipped, or fails if CI=true.
func Start(tb testing.TB, kind Kind) *Server {
	tb.Helper()
	s := &Server{Kind: kind, Directory: directory(tb)}
	switch kind {
	case PostgreSQL:
		s.preparePostgreSQL(tb)
	case MariaDB:
		s.prepareMariaDB(tb)
	case SQLite:
		file := filepath.Join(s.Directory, "database.sqlite")
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			tb.Fatal(err)
		}
		s.driver, s.name, s.DSN = "sqlite", file+"?_pragma=busy_timeout(10000)", "sqlite://"+file
	}
	tb.Cleanup(s.Kill)
	s.Restart(tb)
	s.makeTables(tb, "jobs", "failed_jobs")
	return s
}

// directory returns an empty directory that the user of the databases may write to. Its path is short, for sockets.
func directory(tb testing.TB) string {
	tb.Helper()
	path, err := os.MkdirTemp("", "db-") //nolint:usetesting // the path would be too long, and closed to other users
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(path) })
	giveAway(tb, path)
	return path
}

// find returns the path of a program of a database.
func find(tb testing.TB, name string) string {
	tb.Helper()
	patterns := []string{"/usr/lib/postgresql/*/bin/" + name, "/usr/sbin/" + name, "/usr/local/bin/" + name}
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return testkit.Program(tb, name)
}

// command returns a command that runs in the directory, without root's rights.
func (s *Server) command(ctx context.Context, tb testing.TB, name string, arguments ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(ctx, find(tb, name), arguments...)
	cmd.Dir = s.Directory
	cmd.Env = []string{"HOME=" + s.Directory, "PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TMPDIR=" + s.Directory}
	dropRights(cmd)
	return cmd
}

// run runs a command to its end.
func (s *Server) run(tb testing.TB, name string, arguments ...string) {
	tb.Helper()
	if printed, err := s.command(tb.Context(), tb, name, arguments...).CombinedOutput(); err != nil {
		tb.Fatalf("%s = %v\n%s", name, err, printed)
	}
}

func (s *Server) preparePostgreSQL(tb testing.TB) {
	tb.Helper()
	password := filepath.Join(s.Directory, "password")
	if err := os.WriteFile(password, []byte(Password), 0o644); err != nil {
		tb.Fatal(err)
	}
	data := filepath.Join(s.Directory, "data")
	s.run(tb, "initdb", "--no-sync", "--pgdata", data, "--username", "app", "--pwfile", password, "--auth", "scram-sha-256",
		"--encoding", "UTF8", "--locale", "C")
	s.driver, s.DSN = "postgres", s.url(tb, "postgres", "postgres")
	s.name = s.DSN + "?sslmode=disable"
	_, port, _ := net.SplitHostPort(s.address(tb))
	s.arguments = []string{"postgres", "-D", data, "-h", "127.0.0.1", "-p", port, "-k", s.Directory, "-c", "max_connections=200"}
}

func (s *Server) prepareMariaDB(tb testing.TB) {
	tb.Helper()
	data, setup := filepath.Join(s.Directory, "data"), filepath.Join(s.Directory, "setup.sql")
	if err := os.WriteFile(setup, []byte("CREATE DATABASE IF NOT EXISTS app CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n"+
		"CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY '"+Password+"';\nGRANT ALL ON app.* TO app@'%';\n"), 0o644); err != nil {
		tb.Fatal(err)
	}
	find(tb, "mariadbd")
	s.run(tb, "mariadb-install-db", "--no-defaults", "--datadir="+data, "--skip-test-db", "--auth-root-authentication-method=normal")
	s.DSN = s.url(tb, "mysql", "app")
	address := s.address(tb)
	s.driver, s.name = "mysql", "app:"+Password+"@tcp("+address+")/app"
	_, port, _ := net.SplitHostPort(address)
	s.arguments = []string{
		"mariadbd", "--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port,
		"--socket=" + filepath.Join(s.Directory, "m.sock"), "--init-file=" + setup, "--skip-name-resolve",
	}
}

// url returns a DSN with a free port.
func (s *Server) url(tb testing.TB, scheme, database string) string {
	tb.Helper()
	return (&url.URL{Scheme: scheme, User: url.UserPassword("app", Password), Host: testkit.ReservePort(tb), Path: "/" + database}).String()
}

// address returns the host and port of the database.
func (s *Server) address(tb testing.TB) string {
	tb.Helper()
	u, err := url.Parse(s.DSN)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Host
}

// Restart starts the database again after Kill, and returns when it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if s.arguments == nil {
		return
	}
	testkit.WaitFor(tb, "the database to answer", func() bool {
		if s.Cmd == nil {
			// Processes of a killed PostgreSQL end a moment after it. Until then, it refuses to start.
			s.Run(tb, s.command(context.WithoutCancel(tb.Context()), tb, s.arguments[0], s.arguments[1:]...))
		}
		db := s.Open(tb)
		defer func() { _ = db.Close() }()
		ctx, cancel := context.WithTimeout(tb.Context(), time.Second)
		defer cancel()
		if db.PingContext(ctx) == nil {
			return true
		}
		if ended(s.Cmd) {
			s.Cmd = nil
		}
		return false
	})
}

// Open returns a pool of connections, which the caller must close.
func (s *Server) Open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open(s.driver, s.name)
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// Exec executes statements.
func (s *Server) Exec(tb testing.TB, statements ...string) {
	tb.Helper()
	db := s.Open(tb)
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		if _, err := db.ExecContext(tb.Context(), statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}

// Rows returns the rows of a query, the columns of each separated by a bar.
func (s *Server) Rows(tb testing.TB, query string) []string {
	tb.Helper()
	db := s.Open(tb)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			tb.Fatal(err)
		}
		all = append(all, strings.Join(slices.Collect(func(yield func(string) bool) {
			for _, v := range values {
				if !yield(v.String) {
					return
				}
			}
		}), "|"))
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return all
}

// NewTables makes another pair of tables, and returns their names.
func (s *Server) NewTables(tb testing.TB) (jobs, failed string) {
	tb.Helper()
	number := s.tables.Add(1)
	jobs, failed = fmt.Sprint("jobs_", number), fmt.Sprint("failed_", number)
	s.makeTables(tb, jobs, failed)
	return jobs, failed
}

// makeTables makes the tables as Laravel's queue:table and queue:failed-table do.
func (s *Server) makeTables(tb testing.TB, jobs, failed string) {
	tb.Helper()
	id, tiny, whole, text, time := "BIGSERIAL PRIMARY KEY", "SMALLINT", "INTEGER", "TEXT", "TIMESTAMP(0)"
	switch s.Kind {
	case MariaDB:
		id, tiny, whole, text = "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY", "TINYINT UNSIGNED", "INT UNSIGNED", "LONGTEXT"
		time = "TIMESTAMP"
	case SQLite:
		id, tiny, time = "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "INTEGER", "DATETIME"
	case PostgreSQL:
	}
	s.Exec(tb,
		fmt.Sprintf("CREATE TABLE %s (id %s, queue VARCHAR(255) NOT NULL, payload %s NOT NULL, attempts %s NOT NULL, "+
			"reserved_at %[5]s NULL, available_at %[5]s NOT NULL, created_at %[5]s NOT NULL)", jobs, id, text, tiny, whole),
		fmt.Sprintf("CREATE INDEX %s_queue_index ON %[1]s (queue)", jobs),
		fmt.Sprintf("CREATE TABLE %s (id %s, uuid VARCHAR(255) NOT NULL UNIQUE, connection %[3]s NOT NULL, queue %[3]s NOT NULL, "+
			"payload %[3]s NOT NULL, exception %[3]s NOT NULL, failed_at %s DEFAULT CURRENT_TIMESTAMP NOT NULL)", failed, id, text, time))
}
