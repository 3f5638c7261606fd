package auth

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/testkit"
)

// A key matches itself and nothing else.
func TestKeyMatches(t *testing.T) {
	const secret = "correct horse battery"
	tests := []struct {
		key   Key
		given string
		want  bool
	}{
		{NewKey(secret), secret, true},
		{NewKey(secret), secret + " ", false},
		{NewKey(secret), secret[:20], false},
		{NewKey(secret), "Correct horse battery", false},
		{NewKey(secret), "", false},
		{NewKey(""), "", true},
		{NewKey(""), "x", false},
		{Key{}, "", false},
	}
	for i, test := range tests {
		if got := test.key.Matches(test.given); got != test.want {
			t.Errorf("row %d: Matches(%q) = %v, want %v", i, test.given, got, test.want)
		}
	}
}

// Keys that are easy to guess are default keys.
func TestKeyIsDefault(t *testing.T) {
	for secret, want := range map[string]bool{
		"": true, "password": true, "elevenbytes": true, "twelve bytes": false, "ünfünfün": true, "ünfünfünf": false,
	} {
		if got := NewKey(secret).IsDefault(); got != want {
			t.Errorf("NewKey(%q).IsDefault() = %v, want %v", secret, got, want)
		}
	}
	if !(Key{}).IsDefault() {
		t.Error("Key{}.IsDefault() = false, want true")
	}
}

// Nothing prints a key.
func TestKeyIsNotShown(t *testing.T) {
	const secret = "S3CRET-canary-123456"
	key := NewKey(secret)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "key", key, "in", struct{ Key Key }{key})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "key", key, "in", struct{ Key Key }{key})
	shown := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x", key, key, key, key, key, key)
	if strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprintf("%x", secret)) {
		t.Errorf("printing a key shows it: %s", shown)
	}
	if !strings.Contains(log.String(), "[redacted]") {
		t.Errorf("log = %s, want [redacted]", log.String())
	}
}

// A key file must be readable by its owner only, and one newline at its end is dropped.
func TestReadKeyFile(t *testing.T) {
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
		problem    string
	}{
		{"plain", "correct horse battery", 0o600, "correct horse battery", ""},
		{"newline", "correct horse battery\n", 0o400, "correct horse battery", ""},
		{"two newlines", "correct horse battery\n\n", 0o600, "correct horse battery\n", ""},
		{"line end of Windows", "correct horse battery\r\n", 0o600, "correct horse battery", ""},
		{"carriage return", "correct horse battery\r", 0o600, "correct horse battery\r", ""},
		{"spaces stay", " a b \n", 0o600, " a b ", ""},
		{"group reads", "correct horse battery", 0o640, "", "mode 0640"},
		{"world reads", "correct horse battery", 0o604, "", "mode 0604"},
		{"world writes", "correct horse battery", 0o602, "", "chmod 600"},
		{"empty", "", 0o600, "", "empty"},
		{"only a newline", "\n", 0o600, "", "empty"},
		{"as large as may be", strings.Repeat("x", 4096), 0o600, strings.Repeat("x", 4096), ""},
		{"too large", strings.Repeat("x", 4097), 0o600, "", "larger than 4096 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			got, err := ReadKeyFile(path, false)
			if got != test.want || (err == nil) != (test.problem == "") {
				t.Fatalf("ReadKeyFile(%q, mode %o) = %q, %v, want %q", test.text, test.mode, got, err, test.want)
			}
			if err != nil && (!strings.Contains(err.Error(), test.problem) || !strings.Contains(err.Error(), path) ||
				strings.Contains(err.Error(), "horse")) {
				t.Errorf("ReadKeyFile = %v, want the path and %q, and not the key", err, test.problem)
			}
		})
	}
}

// A mounted secret may be readable by everybody, and writable by its owner only.
func TestReadMountedKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("correct horse battery"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{0o444: "", 0o640: "", 0o600: "", 0o660: "mode 0660", 0o602: "mode 0602"} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeyFile(path, true); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("ReadKeyFile of mode %o = %v, want %q", mode, err, want)
		}
	}
}

// A path that is not a regular file is refused, without waiting for it.
func TestReadKeyFileNotFile(t *testing.T) {
	directory := t.TempDir()
	pipe := filepath.Join(directory, "pipe")
	testkit.MakePipe(t, pipe)
	for path, want := range map[string]string{
		filepath.Join(directory, "none"): "no such file",
		directory:                        "not a regular file",
		pipe:                             "not a regular file",
	} {
		if _, err := ReadKeyFile(path, false); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("ReadKeyFile(%s) = %v, want %q and the path once", path, err, want)
		}
	}
}
