// Package api is what the functions, modules and objects that scripts see are made of: how one is described, once for
// the Lua machine and for editors, how it reads its arguments and raises what is wrong, and how scripts are called. It
// knows none of the modules and no server.
//
// Everything here happens on the loop, but for the types, which need no machine.
package api

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// Function is one entry of a module or of a kind of object.
type Function struct {
	Name string
	// Signature is written as LuaCATS has it: "(name: string, fields?: table): boolean". A second line is another way to
	// call it.
	Signature string
	Doc       string // a sentence
	Run       lua.LGFunction
}

// Field is a value of a module or of a kind of object.
type Field struct {
	Name, Type string // the type as LuaCATS has it: "string?"
	Doc        string // a sentence
	Get        func(object any) lua.LValue
}

// Module is what scripts get from require without a file.
type Module struct {
	Name, Doc string
	Fields    []Field
	Functions []Function
}

// Table returns a new table of what the module has, for L and its threads.
func (m Module) Table(L *lua.LState) *lua.LTable {
	t := functions(L, m.Name+".", m.Functions)
	for _, f := range m.Fields {
		t.RawSetString(f.Name, f.Get(nil))
	}
	return t
}

// Strict returns the module's table as scripts get it: one that says so when a script asks for something that it does
// not have, instead of being nil.
func (m Module) Strict(L *lua.LState) *lua.LTable {
	t, mt := m.Table(L), L.NewTable()
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("there is no %s.%s", m.Name, L.Get(2).String())
		return 0
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("%s.%s cannot be set: the module is the server's own", m.Name, L.Get(2).String())
		return 0
	}))
	mt.RawSetString("__metatable", lua.LString(m.Name))
	t.Metatable = mt
	return t
}

// functions returns a table of functions by their names. owner ends with the dot or colon that stands before these.
func functions(L *lua.LState, owner string, functions []Function) *lua.LTable {
	t := L.NewTable()
	for _, f := range functions {
		t.RawSetString(f.Name, L.NewClosure(f.Run, &lua.LUserData{Value: usage{owner, f}}))
	}
	return t
}

// Kind is a kind of object that scripts hold in their hands.
type Kind struct {
	Name  string // as in errors
	Class string // as in the types for editors
	Doc   string
	As    **lua.LTable // where its metatable is kept
	// Plain objects are tables with fields of their own; into others scripts cannot look.
	Plain   bool
	Fields  []Field
	Other   func(object any, field string) lua.LValue // answers for fields that have no entry; nil where there are none
	Methods []Function
	// Instead says, by metamethods that the kind has not, such as "__len", what to write in their place.
	Instead map[string]string
}

// Open makes the metatable of a kind of object, for L and its threads, and keeps it.
func (k Kind) Open(L *lua.LState) {
	mt, methods := L.NewTable(), functions(L, k.Name+":", k.Methods)
	*k.As = mt
	mt.RawSetString("__metatable", lua.LString(k.Name))
	if k.Plain {
		mt.RawSetString("__index", methods)
		return
	}
	for event, text := range k.Instead {
		mt.RawSetString(event, L.NewFunction(func(L *lua.LState) int {
			L.RaiseError("%s", text)
			return 0
		}))
	}
	fields := map[string]func(object any) lua.LValue{}
	for _, f := range k.Fields {
		fields[f.Name] = f.Get
	}
	mt.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		name := L.CheckString(2)
		if method := methods.RawGetString(name); method != lua.LNil {
			L.Push(method)
			return 1
		}
		switch get := fields[name]; {
		case get != nil:
			L.Push(get(L.CheckUserData(1).Value))
		case k.Other != nil:
			L.Push(k.Other(L.CheckUserData(1).Value, name))
		default:
			L.Push(lua.LNil)
		}
		return 1
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("a %s has no field %q that could be set", k.Name, L.CheckString(2))
		return 0
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		text := k.Name
		if named, ok := L.CheckUserData(1).Value.(fmt.Stringer); ok {
			text = named.String()
		}
		L.Push(lua.LString(text))
		return 1
	}))
}

// Object makes something that scripts hold in their hands.
func Object(of any, metatable *lua.LTable) *lua.LUserData {
	return &lua.LUserData{Value: of, Metatable: metatable}
}

// Self returns the object that a method was called on.
func Self[T any](L *lua.LState, method string) T {
	if ud, ok := L.Get(1).(*lua.LUserData); ok {
		if v, ok := ud.Value.(T); ok {
			return v
		}
	}
	L.RaiseError("%s is a method: write object:%s(...) with a colon", method, method)
	panic("unreachable")
}
