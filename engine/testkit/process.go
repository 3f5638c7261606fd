package testkit

import (
	"os/exec"
	"testing"
)

// Process is a program that a test runs, kills and runs again. The zero Process runs nothing.
type Process struct {
	Cmd *exec.Cmd // nil while nothing runs
}

// Run starts a program, which the caller must end with Kill.
func (p *Process) Run(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.Cmd = cmd
}

// RunProgram runs a program, given as its path and its arguments. What it writes to its standard error is shown with the test.
func (p *Process) RunProgram(tb testing.TB, arguments []string) {
	tb.Helper()
	cmd := exec.Command(arguments[0], arguments[1:]...) //nolint:noctx // it runs until Kill
	cmd.Stderr = tb.Output()
	p.Run(tb, cmd)
}

// Kill kills the program with SIGKILL, if it runs.
func (p *Process) Kill() {
	if p.Cmd == nil {
		return
	}
	_ = p.Cmd.Process.Kill()
	_ = p.Cmd.Wait()
	p.Cmd = nil
}
