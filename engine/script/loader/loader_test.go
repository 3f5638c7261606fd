package loader

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"perigee/engine/script/compile"
	"perigee/engine/testkit"
)

// A pipe in place of a module is an error at once. Of a file that is far too large no more is read than it takes to refuse
// it.
func TestNotAScript(t *testing.T) {
	dir := t.TempDir()
	testkit.MakePipe(t, filepath.Join(dir, "pipe.lua"))
	large := filepath.Join(dir, "large.lua")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 64*compile.MaxSource); err != nil {
		t.Fatal(err)
	}
	l, err := New(dir, "scripts", fstest.MapFS{}, NewSources())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Find("pipe"); err == nil || !strings.Contains(err.Error(), "pipe.lua: not a regular file") {
		t.Errorf("Find of a pipe = %v, want that it is not a regular file", err)
	}
	if _, text, err := l.read("large"); err != nil || len(text) != compile.MaxSource+1 {
		t.Errorf("read of a file of %d bytes = %d bytes, %v, want %d", 64*compile.MaxSource, len(text), err, compile.MaxSource+1)
	}
}
