package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where the settings name a place at which no server is, the commands say where the server of the same settings file is, and
// of no other server.
func TestElsewhere(t *testing.T) {
	folder, other := t.TempDir(), t.TempDir()
	writeSettings := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "server.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runtime, environ := runtimeFolder(t)
	t.Chdir(other)
	start(t, environ) // which has other settings
	t.Chdir(folder)
	server := start(t, environ)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(runtime, "perigee", "7.sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close() // of a server that has died

	found := fmt.Sprintf("\nperigee: the server of %s, process %d, listens on port %s: reach it with ",
		filepath.Join(folder, "server.toml"), os.Getpid(), server.port)
	const again = ", or start it again for another\n"
	for _, row := range []struct { // no test serves at port 1
		settings string
		args     []string
		want     string
	}{
		{"port = 1", []string{"status"}, "1.sock: no server runs there" + found + "--port " + server.port + again},
		{"port = 1", []string{"reload"}, "1.sock: no server runs there" + found + "--port " + server.port + again},
		{"port = 1", []string{"stop"}, "1.sock: no server runs there" + found + "--port " + server.port + again},
		{"port = 0", []string{"status"}, "server.port is 0, which is any: name the server with --port or --control" + found + "--port " + server.port + again},
		{
			`control = "c.sock"`,
			[]string{"status"},
			"c.sock: no server runs there" + found + "--control " + filepath.Join(runtime, "perigee", server.port+".sock") + again,
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
		t.Errorf("status in another folder = %d, %q, want 1 and no word of the others", code, stderr)
	}
}
