package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// From the initialisation of package ahead on, which is among the first, SIGHUP does not end a server. One that comes while the
// server starts reloads it once it is ready. Its child processes do not ignore the signal.
func TestHangupsWhileStarting(t *testing.T) {
	v := newVictim(t)
	asked, answer := make(chan struct{}, 16), make(chan struct{})
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	}))
	defer other.Close()
	boot := "require(\"http\").get(\"" + other.URL + "\")\n  base.boot(self)"
	waiting := strings.Replace(counter, "base.boot(self)", boot, 1)
	if err := os.WriteFile(filepath.Join(v.dir, "scripts", "app.lua"), []byte(waiting), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), v.program, "start", "--port", "0", "--lua-manager", "app", "--queue-driver", "off", "--control", "off")
	cmd.Dir, cmd.Env = v.dir, append(os.Environ(), "GODEBUG=inittrace=1") // prints a line for each package that is initialised
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangUp := func() {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Errorf("sending SIGHUP: %v", err)
		}
	}
	lines, before := bufio.NewScanner(stderr), 0
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "init ahead ") {
		before++
	}
	if before > 30 { // packages of the standard library that os/signal imports
		t.Errorf("%d packages are initialised before ahead, want it among the first", before)
	}
	for waits := false; !waits; {
		hangUp()
		select {
		case <-asked: // the boot of the first generation waits
			waits = true
		case <-time.After(time.Millisecond):
		}
	}
	hangUp()
	close(answer)
	for lines.Scan() && !strings.Contains(lines.Text(), `"generation":2`) {
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if ignored := ignoredSignals(t, string(status)); ignored&(1<<(syscall.SIGHUP-1)) != 0 {
		t.Errorf("the server ignores the signals %b, want not SIGHUP: its child processes would ignore it, too", ignored)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // until it has ended
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v, want in order", err)
	}
}

// ignoredSignals reads the set of ignored signals (proc(5), SigIgn).
func ignoredSignals(t *testing.T, status string) uint64 {
	t.Helper()
	_, after, _ := strings.Cut(status, "SigIgn:\t")
	line, _, _ := strings.Cut(after, "\n")
	set, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		t.Fatalf("the status of the process has no SigIgn: %v", err)
	}
	return set
}
