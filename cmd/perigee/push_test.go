package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A time that beanstalkd does not support is refused, and the error has one that it supports.
func TestPushTimes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, row := range []struct{ flag, value, want string }{
		{"--delay", "1", `--delay: "1" has no unit; write for example "1s"`},
		{"--delay", "1500ms", `--delay: 1500ms is not allowed; use whole seconds, at least 0s, for example "2s"`},
		{"--delay", "-1s", `--delay: "-1s" is not a duration; write for example "10s" or "250ms"`},
		{"--delay", "2000000h", `--delay: 2000000h is more than 1193046h28m15s`},
		{"--ttr", "60", `--ttr: "60" has no unit; write for example "60s"`},
		{"--ttr", "0s", `--ttr: 0s is not allowed; use whole seconds, at least 1s, for example "1s"`},
		{"--ttr", "soon", `--ttr: "soon" is not a duration; write for example "10s" or "250ms"`},
	} {
		code, _, stderr := perigee(t, nil, "push", "AddPrize", row.flag+"="+row.value)
		if want := "perigee: push: " + row.want + "\n"; code != 2 || !strings.HasPrefix(stderr, want) {
			t.Errorf("perigee push AddPrize %s=%s = %d, %q, want 2 and %q", row.flag, row.value, code, stderr, want)
		}
	}
}

// Arguments from standard input that are too large are refused, not truncated.
func TestPushOfTooMuch(t *testing.T) {
	t.Chdir(t.TempDir())
	text := `{"text":"` + strings.Repeat("x", maxArguments) + `"}`
	path := filepath.Join(t.TempDir(), "arguments.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func(stdin *os.File) { os.Stdin = stdin }(os.Stdin)
	defer func() { _ = file.Close() }()
	os.Stdin = file
	code, _, stderr := perigee(t, nil, "push", "AddPrize", "-")
	if code != 2 || !strings.Contains(stderr, "the arguments are larger than 1048576 bytes") {
		t.Errorf("perigee push AddPrize - with %d bytes = %d, %q, want 2 and that they are too large", len(text), code, stderr)
	}
}
