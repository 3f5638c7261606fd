package stdlib

import (
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/config"
	"perigee/engine/script/stdlib/pattern"
)

// Shared is a table that all scripts of a machine share, such as a library. If one of them could change it, it could break all
// others. What scripts get is a table in front, whose metatable leads to the contents, and which next and pairs look through.
type Shared struct {
	// Name is that of the library or module.
	Name     string
	Contents *lua.LTable
	// Missing is the error for reading a field that does not exist, which has its name as "%s". Without it that is nil, and
	// scripts may add fields, which the table in front then has itself.
	Missing string
}

// sharedKey is the key in the metatable of the table in front that has the Shared.
const sharedKey = "__shared"

// Table returns the table in front. Nothing else may refer to the contents, except as the __index of a metatable.
func (s Shared) Table(L *lua.LState) *lua.LTable {
	front, behind, contents := L.NewTable(), L.NewTable(), L.NewTable()
	front.Metatable = behind
	behind.RawSetString("__index", s.Contents)
	behind.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int {
		s.set(L, front, L.Get(2), L.Get(3))
		return 0
	}))
	behind.RawSetString("__metatable", lua.LString(s.Name))
	behind.RawSetString(sharedKey, &lua.LUserData{Value: s})
	contents.RawSetString("__index", L.NewFunction(func(L *lua.LState) int {
		if s.Missing != "" {
			L.RaiseError("%s", s.missing(L.Get(2).String()))
		}
		L.Push(front.RawGet(L.Get(2)))
		return 1
	}))
	s.Contents.Metatable = contents
	return front
}

// sharedBy returns what a table is in front of; ok is false for an ordinary table.
func sharedBy(t *lua.LTable) (s Shared, ok bool) {
	metatable, ok := t.Metatable.(*lua.LTable)
	if !ok {
		return s, false
	}
	object, ok := metatable.RawGetString(sharedKey).(*lua.LUserData)
	if !ok {
		return s, false
	}
	s, ok = object.Value.(Shared)
	return s, ok
}

// set adds a field. It raises an error if there is one of that name, or if the table takes no further ones.
func (s Shared) set(L *lua.LState, front *lua.LTable, key, value lua.LValue) {
	switch {
	case s.Missing != "":
		pattern.Raise(L, fmt.Sprintf("%s.%s cannot be set: the module is read-only, since all scripts share it; write a function of your own that calls it", s.Name, key))
	case s.Contents.RawGet(key) != lua.LNil:
		pattern.Raise(L, fmt.Sprintf("%s.%s cannot be changed, since all scripts share it; add a function under another name", s.Name, key))
	}
	L.RawSet(front, key, value)
}

// missing returns the error for a field that does not exist, with the name that is probably meant.
func (s Shared) missing(name string) string {
	var known []string
	s.Contents.ForEach(func(key, _ lua.LValue) { known = append(known, key.String()) })
	slices.Sort(known) // of several that are equally near, always the same
	text := fmt.Sprintf(s.Missing, name)
	if similar := config.Nearest(name, known); similar != "" {
		text += "; did you mean " + s.Name + "." + similar + "?"
	}
	return text
}

// get returns a field without the error for a missing one.
func (s Shared) get(front *lua.LTable, key lua.LValue) lua.LValue {
	if v := s.Contents.RawGet(key); v != lua.LNil {
		return v
	}
	return front.RawGet(key)
}

// next returns the field after that of a key: those of the contents, then those that scripts have added.
func (s Shared) next(front *lua.LTable, key lua.LValue) (lua.LValue, lua.LValue) {
	if key == lua.LNil || s.Contents.RawGet(key) != lua.LNil {
		if key, value := s.Contents.Next(key); key != lua.LNil {
			return key, value
		}
		key = lua.LNil
	}
	return front.Next(key)
}
