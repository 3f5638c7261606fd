package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A server outlives whoever reads its log, and ends in order.
func TestLogReaderGone(t *testing.T) {
	v := newVictim(t, "")
	v.arguments = []string{"start", "--port", "0", "--connector", "memory", "--control", "off"}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	v.cmd = exec.Command(v.program, v.arguments...)
	v.cmd.Dir, v.cmd.Stderr = v.folder, writer
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
