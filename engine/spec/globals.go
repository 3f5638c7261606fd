package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/config"
	"perigee/engine/script/api"
	"perigee/engine/script/compile"
	"perigee/engine/script/module"
	"perigee/engine/script/value"
	"perigee/engine/spec/harness"
)

// open sets the globals of a spec: the functions of busted, assert, and require.
func (f *file) open() {
	L := f.vm.State()
	for _, g := range f.structureFunctions() {
		if name, _, isField := strings.Cut(g.Name, "."); !isField {
			L.SetGlobal(name, L.NewFunction(g.Run))
		}
	}
	f.openCallable("it", f.itFunctions())
	L.SetGlobal("require", L.NewFunction(f.require))
	f.openCallable("assert", f.assertFunctions()[1:])
	f.clients = f.clientMetatable()
	f.set(module.JSON(f.options.Config.Lua.BigIntegers == config.BigIntegersText))
	f.set(module.Crypto())
	f.set(module.JWT(value.Limits{}, f.now))
	f.modules["spec"] = f.table("spec", f.moduleFunctions())
}

// now returns the time of the running example's server.
func (f *file) now() time.Time {
	if f.server == nil {
		return harness.StartTime()
	}
	return f.server.Now()
}

// set adds a module of the server, unless a module of the scripts takes its place.
func (f *file) set(m api.Module) {
	if m.Yields {
		if _, _, err := f.read(m.Name); err == nil {
			return
		}
	}
	f.modules[m.Name] = m.StrictTable(f.vm.State())
}

// table creates a read-only table of functions. Reading another field is an error.
func (f *file) table(name string, functions []api.Function) *lua.LTable {
	L := f.vm.State()
	t := L.NewTable()
	for _, fn := range functions {
		t.RawSetString(strings.TrimPrefix(fn.Name, name+"."), L.NewFunction(fn.Run))
	}
	return api.Strict(L, name, t)
}

// currentSuite returns the suite whose function runs. word is the name of the called function.
func (f *file) currentSuite(L *lua.LState, word string) *suite {
	if f.suite == nil {
		L.RaiseError("%s cannot be called within it, before_each or after_each", word)
	}
	return f.suite
}

// describe (name, fn) runs fn, which registers the examples of a suite.
func (f *file) describe(L *lua.LState) int {
	outer := f.currentSuite(L, "describe")
	name, fn := L.CheckString(1), L.CheckFunction(2)
	f.suite = &suite{outer: outer, name: name}
	L.Push(fn)
	L.Call(0, 0)
	f.suite = outer
	return 0
}

// it (name, fn) registers an example.
func (f *file) it(L *lua.LState) int {
	s := f.currentSuite(L, "it")
	f.examples = append(f.examples, &example{s, L.CheckString(1), api.CallSite(L), L.CheckFunction(2)})
	return 0
}

// pending (name, fn) registers an example that does not run.
func (f *file) pending(L *lua.LState) int {
	s := f.currentSuite(L, "it.pending")
	L.OptFunction(2, nil)
	f.examples = append(f.examples, &example{suite: s, name: L.CheckString(1), place: api.CallSite(L)})
	return 0
}

// openCallable turns the global function of that name into a table that can be called like it, with functions as fields.
func (f *file) openCallable(name string, fields []api.Function) {
	L := f.vm.State()
	own, _ := L.GetGlobal(name).(*lua.LFunction)
	t := f.table(name, fields)
	mt, _ := t.Metatable.(*lua.LTable)
	mt.RawSetString("__call", L.NewFunction(func(L *lua.LState) int {
		L.Remove(1)
		return own.GFunction(L)
	}))
	L.SetGlobal(name, t)
}

// around returns before_each or after_each: (fn) runs before or after each example of the suite.
func (f *file) around(list func(s *suite) *[]lua.LValue) lua.LGFunction {
	return func(L *lua.LState) int {
		functions := list(f.currentSuite(L, "before_each or after_each"))
		*functions = append(*functions, L.CheckFunction(1))
		return 0
	}
}

// require (name) returns "spec", "json", "crypto", "jwt", or a module of the scripts that does not require "server".
func (f *file) require(L *lua.LState) int {
	name := L.CheckString(1)
	module, known := f.modules[name]
	if !known {
		shown, source, err := f.read(name)
		if err != nil {
			L.RaiseError("%s", err)
		}
		proto, err := compile.Compile(shown, source)
		if err != nil {
			L.Error(lua.LString(err.Error()), 0)
		}
		L.Push(L.NewFunctionFromProto(proto))
		L.Push(lua.LString(name))
		L.Call(1, 1)
		if module = L.Get(-1); module == lua.LNil {
			module = lua.LTrue
		}
		f.modules[name] = module
	}
	L.Push(module)
	return 1
}

// read returns the source of a module, which it finds as the scripts would.
func (f *file) read(name string) (shown string, source []byte, err error) {
	within := strings.ReplaceAll(name, ".", "/")
	dirs := []fs.FS{f.options.Scripts}
	if path := f.options.Config.Lua.Path; path != "" {
		dirs = []fs.FS{os.DirFS(path), f.options.Scripts}
	}
	for _, dir := range dirs {
		for _, candidate := range []string{within + ".lua", within + "/init.lua"} {
			source, err := fs.ReadFile(dir, candidate)
			if err == nil {
				return candidate, source, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", nil, fmt.Errorf("module %q cannot be read: %w", name, err)
			}
		}
	}
	return "", nil, fmt.Errorf("module %q not found: a spec can require spec, json, crypto, jwt, and modules of the scripts that do not need the server", name)
}
