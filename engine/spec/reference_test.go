package spec

import (
	"os"
	"slices"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script"
	"perigee/engine/script/api"
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

// The functions that a spec finds are those that the reference describes.
func TestDescriptionIsComplete(t *testing.T) {
	f := newFile(Options{}, "a_spec.lua")
	defer f.vm.Close()
	L := f.vm.State()
	names := func(owner string, table lua.LValue) []string {
		var all []string
		table.(*lua.LTable).ForEach(func(name, _ lua.LValue) { all = append(all, owner+name.String()) })
		return all
	}
	same := func(owner string, registered []string, described []api.Function) {
		t.Helper()
		var all []string
		for _, f := range described {
			all = append(all, f.Name)
			if err := f.Check(); err != nil {
				t.Errorf("%s: %v", owner, err)
			}
		}
		slices.Sort(registered)
		slices.Sort(all)
		if !slices.Equal(registered, all) {
			t.Errorf("%s has the functions %q, described are %q", owner, registered, all)
		}
	}
	d := Description()
	same("spec", names("", f.modules["spec"]), d.Modules[0].Functions)
	same("assert", append(names("assert.", L.GetGlobal("assert")), "assert"), assertFunctions())
	for _, g := range structureFunctions() {
		if L.GetGlobal(g.Name).Type() != lua.LTFunction {
			t.Errorf("%s is described, and a spec does not find it", g.Name)
		}
		if err := g.Check(); err != nil {
			t.Error(err)
		}
	}
	played := &lua.LUserData{Value: &client{}, Metatable: f.clients}
	for _, m := range clientKind().Methods {
		if L.GetField(played, m.Name).Type() != lua.LTFunction {
			t.Errorf("client:%s is described, and a client does not have it", m.Name)
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	}
}
