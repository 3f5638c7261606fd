package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// If no server uses the port in the settings, commands name the server that has the same settings file, and no other one.
func TestOtherServer(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	writeSettings := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "server.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runtime, environ := runtimeDir(t)
	t.Chdir(other)
	start(t, environ) // with other settings
	t.Chdir(dir)
	server := start(t, environ)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(runtime, "perigee", "7.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close() // of a dead server

	found := fmt.Sprintf("\nperigee: the server of %s, process %d, listens on port %s: use ",
		filepath.Join(dir, "server.toml"), os.Getpid(), server.port)
	const restart = ", or restart the server\n"
	for _, row := range []struct { // no test serves at port 1
		settings string
		args     []string
		want     string
	}{
		{"port = 1", []string{"status"}, "1.sock: no server runs there" + found + "--port " + server.port + restart},
		{"port = 1", []string{"reload"}, "1.sock: no server runs there" + found + "--port " + server.port + restart},
		{"port = 1", []string{"stop"}, "1.sock: no server runs there" + found + "--port " + server.port + restart},
		{"port = 0", []string{"status"}, "server.port is 0, which means any port: select the server with --port or --control" + found + "--port " + server.port + restart},
		{
			`control = "c.sock"`,
			[]string{"status"},
			"c.sock: no server runs there" + found + "--control " + filepath.Join(runtime, "perigee", server.port+".sock") + restart,
		},
		{"port = 1", []string{"status", "-c", filepath.Join(other, "server.toml")}, "no such file or directory\n"},
	} {
		writeSettings("[server]\n" + row.settings + "\n")
		code, _, stderr := perigee(t, environ, row.args...)
		if code != 1 || !strings.HasSuffix(stderr, row.want) {
			t.Errorf("%s: %v = %d, %q, want 1 and %q", row.settings, row.args, code, stderr, row.want)
		}
	}
	if code, stdout, stderr := perigee(t, environ, "status", "--port", server.port); code != 0 {
		t.Errorf("status --port %s = %d, %q, %q, want 0", server.port, code, stdout, stderr)
	}
	t.Chdir(t.TempDir())
	code, _, stderr := perigee(t, environ, "status", "--port", "1")
	if code != 1 || !strings.HasSuffix(stderr, "1.sock: no server runs there\n") {
		t.Errorf("status in another directory = %d, %q, want 1 and no hint", code, stderr)
	}
}
