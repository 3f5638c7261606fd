package laraveldb

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"perigee/engine/testkit"
)

//go:embed testdata/artisan.php
var application []byte

// Artisan runs a command of a real Laravel application that keeps its jobs in the database, and returns its output. If Laravel is not
// installed, the test is skipped, or fails if CI=true. The commands are described in testdata/artisan.php.
func (s *Server) Artisan(tb testing.TB, arguments ...string) string {
	tb.Helper()
	s.needLaravel(tb)
	file := filepath.Join(tb.TempDir(), "artisan.php")
	if err := os.WriteFile(file, application, 0o600); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), testkit.Timeout)
	defer cancel()
	printed, err := exec.CommandContext(ctx, "php", append([]string{file, s.DSN}, arguments...)...).CombinedOutput()
	if err != nil {
		tb.Fatalf("artisan %q = %v\n%s", arguments, err, printed)
	}
	return string(printed)
}

// Migrate has Laravel make the tables, in place of those of Start.
func (s *Server) Migrate(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "DROP TABLE jobs", "DROP TABLE failed_jobs")
	s.Artisan(tb, "migrate")
}

// needLaravel skips the test if PHP, its driver for the database or Laravel are not installed.
func (s *Server) needLaravel(tb testing.TB) {
	tb.Helper()
	driver := map[Kind]string{PostgreSQL: "pgsql", MariaDB: "mysql", SQLite: "sqlite"}[s.Kind]
	const installed = `require_once 'Illuminate/autoload.php'; exit(in_array($argv[1], PDO::getAvailableDrivers()) ? 0 : 1);`
	err := exec.CommandContext(tb.Context(), "php", "-d", "error_reporting=0", "-r", installed, driver).Run()
	testkit.Need(tb, err == nil, "Laravel with PHP's driver "+driver)
}
