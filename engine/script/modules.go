package script

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// function is one entry of a module or of a kind of object.
type function struct {
	name string
	run  lua.LGFunction
}

// openModules sets up require and the modules that need no file.
func (p *Program) openModules() error {
	l, err := newLoader(p.options.Folder, p.options.Shown, p.options.Builtin)
	if err != nil {
		return err
	}
	p.loader = l
	server, err := p.serverModule()
	if err != nil {
		return err
	}
	l.modules["server"] = p.strict("server", server)
	l.modules["log"] = p.strict("log", p.module(p.logFunctions()))
	l.modules["json"] = p.strict("json", JSON(p.vm.State()))
	l.modules["http"] = p.strict("http", p.module(p.httpFunctions()))
	L := p.vm.State()
	L.SetGlobal("require", L.NewFunction(func(L *lua.LState) int {
		L.Push(l.require(L, L.CheckString(1)))
		return 1
	}))
	return nil
}

// strict has a module say so when a script asks for something that it does not have, instead of being nil.
func (p *Program) strict(name string, module *lua.LTable) *lua.LTable {
	L := p.vm.State()
	mt := L.NewTable()
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("there is no %s.%s", name, L.Get(2).String())
		return 0
	}))
	mt.RawSetString("__metatable", lua.LString(name))
	module.Metatable = mt
	return module
}

func (p *Program) module(functions []function) *lua.LTable { return moduleOf(p.vm.State(), functions) }

func moduleOf(L *lua.LState, functions []function) *lua.LTable {
	t := L.NewTable()
	for _, f := range functions {
		t.RawSetString(f.name, L.NewFunction(f.run))
	}
	return t
}

// metatable makes the metatable of a kind of object that scripts hold but cannot look into. index answers for fields that
// are no methods; nil where there are none.
func (p *Program) metatable(kind string, index func(object any, field string) lua.LValue, methods []function) *lua.LTable {
	L := p.vm.State()
	table := p.module(methods)
	mt := L.NewTable()
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		field := L.CheckString(2)
		if method := table.RawGetString(field); method != lua.LNil {
			L.Push(method)
			return 1
		}
		if index == nil {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(index(L.CheckUserData(1).Value, field))
		return 1
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("a %s has no field %q that could be set", kind, L.CheckString(2))
		return 0
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		text := kind
		if named, ok := L.CheckUserData(1).Value.(fmt.Stringer); ok {
			text = named.String()
		}
		L.Push(lua.LString(text))
		return 1
	}))
	mt.RawSetString("__metatable", lua.LString(kind))
	return mt
}

// object makes something that scripts hold in their hands.
func object(of any, metatable *lua.LTable) *lua.LUserData {
	return &lua.LUserData{Value: of, Metatable: metatable}
}

// self returns the object that a method was called on.
func self[T any](L *lua.LState, method string) T {
	if ud, ok := L.Get(1).(*lua.LUserData); ok {
		if v, ok := ud.Value.(T); ok {
			return v
		}
	}
	L.RaiseError("%s is a method: write object:%s(...) with a colon", method, method)
	panic("unreachable")
}

// where returns the place in the scripts that called the Go function that runs: "scripts/chat.lua:12".
func where(L *lua.LState) string {
	debug, ok := L.GetStack(1)
	if !ok {
		return "?"
	}
	if _, err := L.GetInfo("Sl", debug, lua.LNil); err != nil {
		return "?"
	}
	return fmt.Sprintf("%s:%d", debug.Source, debug.CurrentLine)
}
