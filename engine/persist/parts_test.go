package persist

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"perigee/engine/config"
)

// What one server keeps the next one reads, until it is removed. Nobody else can read it.
func TestParts(t *testing.T) {
	settings := config.Default().State
	settings.File = filepath.Join(t.TempDir(), "state.json")
	open := func() *Saver {
		s, err := New(settings, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("New = %v", err)
		}
		return s
	}
	if text, err := open().ReadPart(Topics); text != nil || err != nil {
		t.Errorf("ReadPart without a file = %q, %v, want nothing", text, err)
	}
	write := func(w io.Writer) { _, _ = io.WriteString(w, "new") }
	path := settings.File + ".topics"
	for range 2 {
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := open().SavePart(Topics, write); err != nil {
			t.Fatalf("SavePart = %v", err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file has %v, %v, want only its owner to read it", info.Mode(), err)
		}
		if text, err := open().ReadPart(Topics); string(text) != "new" || err != nil {
			t.Errorf("ReadPart = %q, %v, want new", text, err)
		}
		if err := open().RemovePart(Topics); err != nil {
			t.Errorf("RemovePart = %v", err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("Stat after RemovePart = %v, want no file", err)
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := open().ReadPart(Topics); err == nil {
		t.Error("ReadPart of a directory = nil, want an error")
	}
	if err := open().SavePart(Topics, write); err == nil {
		t.Error("SavePart over a directory = nil, want an error")
	}
	settings.File = ""
	if text, err := open().ReadPart(Topics); text != nil || err != nil {
		t.Errorf("ReadPart without a state file = %q, %v, want nothing", text, err)
	}
}
