package persist

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"perigee/engine/config"
)

// What one server keeps the next one takes, once. Nobody else can read it.
func TestConnections(t *testing.T) {
	settings := config.Default().State
	settings.File = filepath.Join(t.TempDir(), "state.json")
	open := func() *Saver {
		s, err := New(settings, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("New = %v", err)
		}
		return s
	}
	if text, err := open().TakeConnections(); text != nil || err != nil {
		t.Errorf("TakeConnections without a file = %q, %v, want nothing", text, err)
	}
	write := func(w io.Writer) { _, _ = io.WriteString(w, "new") }
	path := settings.File + ".connections"
	for range 2 {
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := open().SaveConnections(write); err != nil {
			t.Fatalf("SaveConnections = %v", err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file has %v, %v, want only its owner to read it", info.Mode(), err)
		}
		if text, err := open().TakeConnections(); string(text) != "new" || err != nil {
			t.Errorf("TakeConnections = %q, %v, want new", text, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("Stat after TakeConnections = %v, want no file", err)
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := open().TakeConnections(); err == nil {
		t.Error("TakeConnections of a directory = nil, want an error")
	}
	if err := open().SaveConnections(write); err == nil {
		t.Error("SaveConnections over a directory = nil, want an error")
	}
	settings.File = ""
	if text, err := open().TakeConnections(); text != nil || err != nil {
		t.Errorf("TakeConnections without a state file = %q, %v, want nothing", text, err)
	}
}
