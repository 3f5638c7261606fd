package config

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// An error about the use of a setting has its origin and a remedy, like those of Load.
func TestSettingError(t *testing.T) {
	path := write(t, "[server]\npublic = \"gone\"\n\n[state]\nfile = \"gone/state.json\"\n")
	c, err := Load(Source{
		Path: path, Env: []string{"SERVER_KEY_FILE=gone"}, Flags: map[string]string{"server.pid_file": "gone/pid"},
	})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	gone := error(syscall.ENOENT)
	beginning := "; relative paths start at the directory of " + path
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"server.public", gone, path + ":2: server.public: no such file or directory; it must be a directory that the server's user can read" + beginning},
		{"state.file", gone, path + ":5: state.file: no such file or directory; its directory must exist, and the server's user must be able to write to it" + beginning},
		{"state.file", syscall.EACCES, path + ":5: state.file: permission denied; its directory must exist, and the server's user must be able to write to it" + fmt.Sprintf("; the user ID is %d", os.Geteuid())},
		{"server.key_file", gone, "SERVER_KEY_FILE: no such file or directory; it must exist, belong to the server's user and be readable (chmod 600)"},
		{"server.pid_file", gone, "--pid-file: no such file or directory; its directory must exist, and the server's user must be able to write to it"},
		{"server.hosts", errors.New("wrong"), "server.hosts: wrong"},
	} {
		if got := c.SettingError(row.name, row.err); got.Error() != row.want || !errors.Is(got, row.err) {
			t.Errorf("Fault(%s, %v)\n got %s\nwant %s", row.name, row.err, got, row.want)
		}
	}
}
