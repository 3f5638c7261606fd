package script

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/script/compile"
)

// Every function and field that is registered says how it is used, and stands in the types.
func TestTypesAreComplete(t *testing.T) {
	types := Types()
	p := &Program{}
	functions := func(owner string, all []function) {
		t.Helper()
		for _, f := range all {
			if !strings.HasSuffix(f.doc, ".") {
				t.Errorf("%s%s has the doc %q, want a sentence", owner, f.name, f.doc)
			}
			for line := range strings.Lines(f.signature + "\n") {
				if _, err := parseSignature(strings.TrimSuffix(line, "\n")); err != nil {
					t.Errorf("%s%s has the signature %q: %v", owner, f.name, f.signature, err)
				}
			}
			if !strings.Contains(types, "\nfunction "+owner+f.name+"(") {
				t.Errorf("Types() has no %s%s", owner, f.name)
			}
		}
	}
	fields := func(owner string, all []field) {
		t.Helper()
		for _, f := range all {
			if f.kind == "" || !strings.HasSuffix(f.doc, ".") {
				t.Errorf("%s.%s has the type %q and the doc %q, want both", owner, f.name, f.kind, f.doc)
			}
			if !strings.Contains(types, "---@field "+f.name+" "+f.kind+" ") {
				t.Errorf("Types() has no %s.%s", owner, f.name)
			}
		}
	}
	for _, m := range p.modules() {
		functions(m.name+".", m.functions)
		fields(m.name, m.fields)
	}
	for _, k := range p.kinds() {
		functions(k.class+":", k.methods)
		fields(k.class, k.fields)
	}
	for _, k := range optionClasses() {
		fields(k.class, k.fields)
	}
	functions("manager:", managerMethods())
}

// Every type that is named is a class or an alias of the types.
func TestTypesAreDefined(t *testing.T) {
	types := Types()
	for _, rest := range strings.Split(types, "perigee.")[1:] {
		name := rest[:strings.IndexFunc(rest+"\n", func(r rune) bool { return r < 'A' || r > 'z' || r > 'Z' && r < 'a' })]
		if !strings.Contains(types, "@class perigee."+name+"\n") && !strings.Contains(types, "@alias perigee."+name+" ") {
			t.Errorf("Types() names perigee.%s and does not say what it is", name)
		}
	}
}

// The types are Lua, the same each time.
func TestTypesAreLua(t *testing.T) {
	types := Types()
	if again := Types(); again != types {
		t.Error("Types() differs from one call to the next")
	}
	if _, err := compile.Compile("types/perigee.lua", []byte(types)); err != nil {
		t.Errorf("Types() is no Lua: %v", err)
	}
	if _, err := exec.LookPath("luacheck"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("luacheck is not installed")
		}
		t.Skip("luacheck is not installed")
	}
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

// A signature that cannot be written as annotations is an error.
func TestParseSignature(t *testing.T) {
	s, err := parseSignature("(a: string, b?: fun(x: any, y: any): any): table<string, any>, string?")
	if err != nil || len(s.params) != 2 || len(s.returns) != 2 {
		t.Errorf("parseSignature = %q, %v, want 2 parameters and 2 results", s, err)
	}
	for _, bad := range []string{"", "()x", "(", "(a)", "(a: )", "(): ", "a: string"} {
		if s, err := parseSignature(bad); err == nil {
			t.Errorf("parseSignature(%q) = %q, want an error", bad, s)
		}
	}
}
