package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// A build can set the version, which the binary then shows. If standard error is the journal, each line has its priority.
func TestBinary(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "perigee")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.version=1.2.3", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build = %v: %s", err, said)
	}
	said, err := exec.CommandContext(t.Context(), binary, "version").Output()
	if err != nil || !strings.HasPrefix(string(said), "perigee 1.2.3 ") {
		t.Errorf("version = %s, %v, want 1.2.3", said, err)
	}
	journal, err := os.Create(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	info, err := journal.Stat()
	if err != nil {
		t.Fatal(err)
	}
	id := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // on Linux
	for _, row := range []struct{ stream, want string }{
		{fmt.Sprintf("%d:%d", id.Dev, id.Ino), `^<4>\{"time":.*"level":"WARN".*SERVER_PROT.*\n<3>perigee: refusing to listen .*\n$`},
		{fmt.Sprintf("%d:%d", id.Dev, id.Ino+1), `^\{"time":.*\nperigee: refusing to listen .*\n$`},
	} {
		if err := journal.Truncate(0); err != nil {
			t.Fatal(err)
		}
		start := exec.CommandContext(t.Context(), binary, "start", "--address", "0.0.0.0", "--port", "0")
		start.Dir, start.Stderr = dir, journal
		start.Env = []string{"JOURNAL_STREAM=" + row.stream, "SERVER_PROT=80", "TMPDIR=" + dir}
		if err := start.Run(); err == nil || start.ProcessState.ExitCode() != exitConfig {
			t.Errorf("start = %v, want exit code %d", err, exitConfig)
		}
		written, err := os.ReadFile(journal.Name())
		if err != nil || !regexp.MustCompile(row.want).MatchString(strings.TrimLeft(string(written), "\x00")) {
			t.Errorf("standard error with JOURNAL_STREAM=%s: %s, %v, want %s", row.stream, written, err, row.want)
		}
	}
}
