package script

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/script/api"
	"perigee/engine/script/compile"
	"perigee/engine/testkit"
)

// Every function and field that is registered has a complete description, and is part of the types.
func TestTypesAreComplete(t *testing.T) {
	types := Types(api.Description{})
	p := described()
	functions := func(owner string, all []api.Function) {
		t.Helper()
		for _, f := range all {
			if err := f.Check(); err != nil {
				t.Errorf("%s%v", owner, err)
			}
			if !strings.Contains(types, "\nfunction "+owner+f.Name+"(") {
				t.Errorf("Types() has no %s%s", owner, f.Name)
			}
		}
	}
	fields := func(owner string, all []api.Field) {
		t.Helper()
		for _, f := range all {
			if f.Type == "" || !strings.HasSuffix(f.Doc, ".") {
				t.Errorf("%s.%s has the type %q and the doc %q, want both", owner, f.Name, f.Type, f.Doc)
			}
			if !strings.Contains(types, "---@field "+f.Name+" "+f.Type+" ") {
				t.Errorf("Types() has no %s.%s", owner, f.Name)
			}
		}
	}
	for _, m := range p.modules() {
		functions(m.Name+".", m.Functions)
		fields(m.Name, m.Fields)
	}
	for _, k := range p.kinds() {
		functions(k.Class+":", k.Methods)
		fields(k.Class, k.Fields)
	}
	for _, k := range optionClasses() {
		fields(k.Class, k.Fields)
	}
	functions("manager:", manager().Methods)
}

// Every type that the types mention is defined in them.
func TestTypesAreDefined(t *testing.T) {
	types := Types(api.Description{})
	for _, rest := range strings.Split(types, "perigee.")[1:] {
		name := rest[:strings.IndexFunc(rest+"\n", func(r rune) bool { return r < 'A' || r > 'z' || r > 'Z' && r < 'a' })]
		if !strings.Contains(types, "@class perigee."+name+"\n") && !strings.Contains(types, "@alias perigee."+name+" ") {
			t.Errorf("Types() names perigee.%s without defining it", name)
		}
	}
}

// The types are valid Lua, and the same each time.
func TestTypesAreLua(t *testing.T) {
	types := Types(api.Description{})
	if again := Types(api.Description{}); again != types {
		t.Error("Types() differs from one call to the next")
	}
	if _, err := compile.Compile("types/perigee.lua", []byte(types)); err != nil {
		t.Errorf("Types() is not valid Lua: %v", err)
	}
	testkit.Program(t, "luacheck")
	file := filepath.Join(t.TempDir(), "perigee.lua")
	if err := os.WriteFile(file, []byte(types), 0o600); err != nil {
		t.Fatal(err)
	}
	// Code 011 is a syntax error; the rest is how types are written.
	out, err := exec.CommandContext(t.Context(), "luacheck", "--no-config", "--only", "011", "--", file).CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || failed.ExitCode() > 0) {
		t.Errorf("luacheck: %v\n%s", err, out)
	}
}
