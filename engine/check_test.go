package engine

import (
	"strings"
	"testing"

	"perigee/engine/config"
)

// What an operating system cannot do is noted only if the settings ask for it.
func TestPlatformNotes(t *testing.T) {
	asking := config.Default()
	asking.Processes["resize"] = config.Process{}
	asking.Server.Control, asking.Server.KeyFile = "control.sock", "key"
	off := config.Default()
	off.Server.Control = config.ControlOff
	for _, row := range []struct {
		system string
		c      config.Config
		want   []string
	}{
		{"linux", asking, nil},
		{"freebsd", asking, nil},
		{"darwin", asking, []string{"[processes] go on if the server is killed"}},
		{"windows", asking, []string{"[processes] go on if the server is killed", "without SIGTERM", "server.control", "server.key_file"}},
		{"windows", config.Default(), nil},
		{"windows", off, nil},
	} {
		got := platformNotes(row.system, row.c)
		if len(got) != len(row.want) {
			t.Errorf("platformNotes(%s) = %q, want %d notes", row.system, got, len(row.want))
			continue
		}
		for i, want := range row.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("platformNotes(%s) = %q, want %q in the note %d", row.system, got, want, i)
			}
		}
	}
}
