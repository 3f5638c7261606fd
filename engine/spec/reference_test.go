package spec

import (
	"os"
	"slices"
	"strings"
	"testing"

	"perigee/engine/script"
	"perigee/engine/script/compile"
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

// The types for editors include those of specs, and are valid Lua.
func TestTypes(t *testing.T) {
	types := script.Types(Description())
	for _, want := range []string{
		"\n---@class perigee.spec\n", "\nfunction spec.http(url, answer) end\n", "\nfunction TestClient:expect(name, fields, options) end\n",
		"\n---@class perigee.ProgramReaction\n", "\nfunction describe(name, fn) end\n", "\nfunction it.pending(name, fn) end\n",
		"\nfunction assert.same(expected, actual) end\n",
	} {
		if !strings.Contains(types, want) {
			t.Errorf("Types has no %q", want)
		}
	}
	if strings.Contains(types, "\nfunction assert(") {
		t.Error("Types defines assert, which is Lua's own")
	}
	if _, err := compile.Compile("types/perigee.lua", []byte(types)); err != nil {
		t.Errorf("Types is not valid Lua: %v", err)
	}
	if text, want := script.ModuleTypes(Description())["spec"], "---@type perigee.spec\nlocal spec = {}\n"; !strings.Contains(text, want) {
		t.Errorf("the module spec has the types %q, want %q", text, want)
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
