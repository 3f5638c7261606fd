package value

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// marks are the values that are recognised by their identity. They are made once and never change, so all Lua states and
// goroutines may share them, and data that moves from one state to the next keeps its meaning.
//
// A mark is a metatable without effect. It is locked by __metatable: scripts cannot get at it (getmetatable returns
// a string), cannot change it and cannot take it off a table (setmetatable refuses). Since it belongs to the table, it
// needs no bookkeeping, survives the copying of tables in place and is collected with its table.
var marks = newMarks() //nolint:gochecknoglobals // constants, of a kind that Go has no const for

type identities struct {
	null          *lua.LUserData
	array, object *lua.LTable
}

func newMarks() identities {
	null := newMark("json.null")
	null.RawSetString("__tostring", &lua.LFunction{IsG: true, GFunction: func(l *lua.LState) int {
		l.Push(lua.LString("null"))
		return 1
	}})
	return identities{
		null:   &lua.LUserData{Metatable: null},
		array:  newMark("json.array"),
		object: newMark("json.object"),
	}
}

// newMark returns a locked metatable; name is what getmetatable shows.
func newMark(name string) *lua.LTable {
	t := newTable(0, 2)
	t.RawSetString("__metatable", lua.LString(name))
	return t
}

// Null returns the value for null in places where nil is impossible: in lists, and in objects on request.
func Null() lua.LValue { return marks.null }

// MarkArray makes a table a list for good: if it is empty, it is written as []. The mark takes the place of a metatable, so
// a table with a metatable of its own is an error.
func MarkArray(t *lua.LTable) error { return mark(t, marks.array) }

// MarkObject makes a table an object for good. Integers among its keys are then written as strings. The mark takes the
// place of a metatable, so a table with a metatable of its own is an error.
func MarkObject(t *lua.LTable) error { return mark(t, marks.object) }

func mark(t, with *lua.LTable) error {
	if !isPlain(t) {
		return errors.New("value: mark a table: it has a metatable")
	}
	t.Metatable = with
	return nil
}

// isPlain reports whether a table has no metatable other than a mark.
func isPlain(t *lua.LTable) bool {
	return t.Metatable == nil || t.Metatable == lua.LNil || isMarked(t, marks.array) || isMarked(t, marks.object)
}

func isMarked(t, with *lua.LTable) bool { return t.Metatable == lua.LValue(with) }
