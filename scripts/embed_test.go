package scripts_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"perigee/scripts"
)

// The binary holds every script and no spec.
func TestFiles(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".lua") {
			return err
		}
		_, err = fs.Stat(scripts.Files, name)
		if got, want := err == nil, !strings.HasSuffix(name, "_spec.lua"); got != want {
			t.Errorf("%s is in the binary: %t, want %t", name, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
