package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips the test if something that it needs is not installed, or fails it if CI=true. what is its name.
func Need(tb testing.TB, installed bool, what string) {
	tb.Helper()
	if installed {
		return
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s is not installed", what)
	}
	tb.Skipf("%s is not installed", what)
}

// Program returns the path of a program, which the test needs.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	Need(tb, err == nil, name)
	return path
}
