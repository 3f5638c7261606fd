package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// A server survives the reader of its log and still stops gracefully.
func TestLogReaderGone(t *testing.T) {
	v := newVictim(t)
	v.arguments = []string{"start", "--port", "0", "--connector", "memory", "--control", "off"}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	v.cmd = exec.Command(v.program, v.arguments...)
	v.cmd.Dir, v.cmd.Stderr = v.dir, writer
	stdout, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v.cmd.Start(), writer.Close()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "websocket") {
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // until it has ended
	}
	if err := v.cmd.Wait(); err != nil { // it has logged that it stops
		t.Errorf("a server without a reader of its log ended with %v, want in order", err)
	}
	v.cmd = nil
}

// A server whose standard output is not read reloads at each save and stops gracefully.
func TestStalledOutput(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	_, environ := runtimeDir(t)
	unread, stdout := io.Pipe()
	stderr := newScreen()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { _ = unread.Close() }) // which lets go of what still writes
	t.Cleanup(stop)
	running.Go(func() {
		ended <- run(ctx, []string{"perigee", "start", "-P", "0", "-C", "memory", "--lua-manager", "app", "--watch"}, environ, stdout, stderr)
	})
	if _, err := io.ReadFull(unread, make([]byte, len("perigee"))); err != nil { // and nothing more
		t.Fatal(err)
	}
	for generation, boot := range []string{2: appHalt, 3: appRing, 4: appHalt} {
		if boot != "" {
			writeApp(t, boot)
			stderr.await(t, fmt.Sprintf(`engine: reloaded.*generation\W+%d\b`, generation))
		}
	}
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("a server without a reader of its output ended with %d, want 0", code)
		}
	case <-time.After(testkit.Timeout):
		t.Error("a server without a reader of its output does not end, want it to")
	}
}
