package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Arguments from standard input that are too large are refused as that, and not cut.
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
