// Package api owns the description of the Lua API: its functions, modules and objects, described once for the Lua machine, for
// editors and for the reference. Their implementations share its checks of arguments, its errors and its calls into scripts. It
// must not know any particular module, nor the server.
//
// Everything here happens on the loop, except the generation of types, which needs no machine.
package api

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/stdlib"
)

// Function is a function of a module or a method of a kind of object.
type Function struct {
	Name string
	// Signature is in LuaCATS notation: "(name: string, fields?: table): boolean". Each further line is an overload.
	Signature string
	Doc       string // a sentence
	Run       lua.LGFunction
}

// Field is a field of a module or of a kind of object.
type Field struct {
	Name, Type string // the type in LuaCATS notation: "string?"
	Doc        string // a sentence
	Get        func(object any) lua.LValue
}

// Getter returns the Get of a field of objects of type T. It returns nil for any other object.
func Getter[T any](field func(of T) lua.LValue) func(object any) lua.LValue {
	return func(object any) lua.LValue {
		if of, ok := object.(T); ok {
			return field(of)
		}
		return lua.LNil
	}
}

// Module is a module that scripts require and that has no file.
type Module struct {
	Name, Doc string
	// Yields means that a module of the scripts with the same name takes its place: applications may have had one first.
	Yields    bool
	Fields    []Field
	Functions []Function
}

// Table returns a new table with the functions and fields of the module, for L and its threads.
func (m Module) Table(L *lua.LState) *lua.LTable {
	t := functions(L, m.Name+".", m.Functions)
	for _, f := range m.Fields {
		t.RawSetString(f.Name, f.Get(nil))
	}
	return t
}

// StrictTable is Table for scripts: reading a field that does not exist is an error, and no field can be set.
func (m Module) StrictTable(L *lua.LState) *lua.LTable {
	return Strict(L, m.Name, m.Table(L))
}

// Strict returns a read-only table with the contents of a module.
func Strict(L *lua.LState, name string, contents *lua.LTable) *lua.LTable {
	return stdlib.Shared{Name: name, Contents: contents, Missing: "there is no " + name + ".%s"}.Table(L)
}

// functions returns a table of functions by name. owner is their prefix, with the dot or colon.
func functions(L *lua.LState, owner string, functions []Function) *lua.LTable {
	t := L.NewTable()
	for _, f := range functions {
		t.RawSetString(f.Name, L.NewClosure(f.Run, &lua.LUserData{Value: usage{owner, f}}))
	}
	return t
}

// Kind is a kind of object that scripts use.
type Kind struct {
	Name      string // in errors
	Class     string // in the types for editors
	Doc       string
	Metatable **lua.LTable // set by Open
	// Plain objects are Lua tables with their own fields; all others are userdata.
	Plain    bool
	Fields   []Field
	Fallback func(object any, field string) lua.LValue // returns fields that are not in Fields; optional
	// FallbackDoc describes the fields that Fallback returns.
	FallbackDoc string
	Methods     []Function
	// Unsupported has, by metamethods that the kind lacks, such as "__len", the error that says what to write instead.
	Unsupported map[string]string
}

// Open makes the metatable of a kind of object, for L and its threads.
func (k Kind) Open(L *lua.LState) {
	mt, methods := L.NewTable(), functions(L, k.Name+":", k.Methods)
	*k.Metatable = mt
	mt.RawSetString("__metatable", lua.LString(k.Name))
	if k.Plain {
		mt.RawSetString("__index", methods)
		return
	}
	for event, text := range k.Unsupported {
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
			return Push(L, method)
		}
		switch get := fields[name]; {
		case get != nil:
			return Push(L, get(L.CheckUserData(1).Value))
		case k.Fallback != nil:
			return Push(L, k.Fallback(L.CheckUserData(1).Value, name))
		}
		return Push(L, lua.LNil)
	}))
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		L.RaiseError("a %s has no settable field %q", k.Name, L.CheckString(2))
		return 0
	}))
	mt.RawSetString("__tostring", L.NewFunction(func(L *lua.LState) int {
		text := k.Name
		if named, ok := L.CheckUserData(1).Value.(fmt.Stringer); ok {
			text = named.String()
		}
		return Push(L, lua.LString(text))
	}))
}

// NewObject returns a Lua object that stands for a Go value.
func NewObject(of any, metatable *lua.LTable) *lua.LUserData {
	return &lua.LUserData{Value: of, Metatable: metatable}
}

// ObjectOf returns the Go value of a Lua object.
func ObjectOf[T any](v lua.LValue) (of T, ok bool) {
	if object, isObject := v.(*lua.LUserData); isObject {
		of, ok = object.Value.(T)
	}
	return of, ok
}

// Push returns one value to Lua.
func Push(L *lua.LState, v lua.LValue) int {
	L.Push(v)
	return 1
}

// Action is the Run of a method without arguments and results.
func Action[T any](method string, run func(of T)) lua.LGFunction {
	return func(L *lua.LState) int {
		run(Self[T](L, method))
		return 0
	}
}

// Self returns the Go value of the object that a method was called on.
func Self[T any](L *lua.LState, method string) T {
	if of, ok := ObjectOf[T](L.Get(1)); ok {
		return of
	}
	L.RaiseError("%s is a method: write object:%s(...) with a colon", method, method)
	panic("unreachable")
}
