package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/compile"
	"perigee/engine/script/module"
)

// open sets up what a spec finds: the words of busted, assert, and require.
func (f *file) open() {
	L := f.vm.State()
	for name, fn := range map[string]lua.LGFunction{
		"describe":    f.describe,
		"it":          f.it,
		"before_each": f.around(func(s *suite) *[]lua.LValue { return &s.before }),
		"after_each":  f.around(func(s *suite) *[]lua.LValue { return &s.after }),
		"require":     f.require,
	} {
		L.SetGlobal(name, L.NewFunction(fn))
	}
	f.openAssert()
	f.clients = f.clientMetatable()
	f.modules["json"] = module.JSON().Table(L)
	f.modules["spec"] = f.module()
}

// table makes a table of functions. What it does not have is an error, not nil.
func (f *file) table(name string, functions map[string]lua.LGFunction) *lua.LTable {
	L := f.vm.State()
	mt := L.NewTable()
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("there is no %s.%s", name, L.Get(2).String())
		return 0
	}))
	t := L.SetFuncs(L.NewTable(), functions)
	t.Metatable = mt
	return t
}

// describing returns the suite that is being described.
func (f *file) describing(L *lua.LState, word string) *suite {
	if f.within == nil {
		L.RaiseError("%s stands outside of it, before_each and after_each", word)
	}
	return f.within
}

// describe (name, fn) puts a name before what fn describes.
func (f *file) describe(L *lua.LState) int {
	outer := f.describing(L, "describe")
	name, fn := L.CheckString(1), L.CheckFunction(2)
	f.within = &suite{outer: outer, name: name}
	L.Push(fn)
	L.Call(0, 0)
	f.within = outer
	return 0
}

// it (name, fn) is an example.
func (f *file) it(L *lua.LState) int {
	s := f.describing(L, "it")
	f.examples = append(f.examples, &example{s, L.CheckString(1), api.CallSite(L), L.CheckFunction(2)})
	return 0
}

// around (fn) runs before or after each example of what is being described.
func (f *file) around(list func(s *suite) *[]lua.LValue) lua.LGFunction {
	return func(L *lua.LState) int {
		functions := list(f.describing(L, "before_each or after_each"))
		*functions = append(*functions, L.CheckFunction(1))
		return 0
	}
}

// require returns "spec", "json", or a module of the scripts that needs no server: rules that can be looked at alone.
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

// read finds the source of a module as the scripts would.
func (f *file) read(name string) (shown string, source []byte, err error) {
	within := strings.ReplaceAll(name, ".", "/")
	for _, folder := range f.folders() {
		for _, candidate := range []string{within + ".lua", within + "/init.lua"} {
			source, err := fs.ReadFile(folder, candidate)
			if err == nil {
				return candidate, source, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", nil, fmt.Errorf("module %q cannot be read: %w", name, err)
			}
		}
	}
	return "", nil, fmt.Errorf("a spec finds no module %q: there are spec, json, and what needs no server among the scripts", name)
}

func (f *file) folders() []fs.FS {
	if path := f.options.Config.Lua.Path; path != "" {
		return []fs.FS{os.DirFS(path), f.options.Scripts}
	}
	return []fs.FS{f.options.Scripts}
}
