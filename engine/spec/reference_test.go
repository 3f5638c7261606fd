package spec

import (
	"os"
	"slices"
	"testing"

	"perigee/engine/script"
)

// The reference that stands beside the scripts is the one that the program prints.
func TestReferenceIsCurrent(t *testing.T) {
	written, err := os.ReadFile("../../scripts/REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != script.Reference(Description()) {
		t.Error("scripts/REFERENCE.md differs from Reference(); run: go run ./cmd/perigee docs lua --output scripts/REFERENCE.md")
	}
}

// The functions of specs have complete descriptions.
func TestDescriptionIsComplete(t *testing.T) {
	d := Description()
	for _, f := range slices.Concat(d.Modules[0].Functions, d.Kinds[0].Methods, d.Globals) {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
}
