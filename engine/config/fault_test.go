package config

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// What is found out later about a setting is told as what Load finds: with its place, and with what would be right.
func TestFault(t *testing.T) {
	path := write(t, "[server]\npublic = \"gone\"\n\n[state]\nfile = \"gone/state.json\"\n")
	c, err := Load(Source{
		Path: path, Env: []string{"SERVER_KEY_FILE=gone"}, Flags: map[string]string{"server.pid_file": "gone/pid"},
	})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	gone := error(syscall.ENOENT)
	beginning := "; a relative path begins at the folder of " + path
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"server.public", gone, path + ":2: server.public: no such file or directory; it must be a folder that the server's user can read" + beginning},
		{"state.file", gone, path + ":5: state.file: no such file or directory; its folder must exist, and the server's user be able to write to it" + beginning},
		{"state.file", syscall.EACCES, path + ":5: state.file: permission denied; its folder must exist, and the server's user be able to write to it" + fmt.Sprintf("; that user is number %d here", os.Geteuid())},
		{"server.key_file", gone, "SERVER_KEY_FILE: no such file or directory; it must exist, and the server's user must own it and be able to read it (chmod 600)"},
		{"server.pid_file", gone, "--pid-file: no such file or directory; its folder must exist, and the server's user be able to write to it"},
		{"server.hosts", errors.New("wrong"), "server.hosts: wrong"},
	} {
		if got := c.Fault(row.name, row.err); got.Error() != row.want || !errors.Is(got, row.err) {
			t.Errorf("Fault(%s, %v)\n got %s\nwant %s", row.name, row.err, got, row.want)
		}
	}
}
