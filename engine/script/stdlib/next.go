package stdlib

import (
	"reflect"

	lua "github.com/yuin/gopher-lua"
)

// tableLayout has the indexes of the private fields in which gopher-lua keeps the list and the keys of a table. There is no
// other way to tell a key that has been removed, after which a traversal continues, from one that the table never had.
type tableLayout struct{ array, keys int }

func newTableLayout() tableLayout {
	l := tableLayout{-1, -1}
	for i, field := range reflect.VisibleFields(reflect.TypeFor[lua.LTable]()) {
		switch field.Name {
		case "array":
			l.array = i
		case "k2i":
			l.keys = i
		}
	}
	return l
}

// baseNext is next. gopher-lua's takes a key that the table never had for its first one.
func (l *library) baseNext(c call) int {
	t, key := c.table(), c.L.Get(2)
	var value lua.LValue
	if s, ok := sharedBy(t); ok && (key == lua.LNil || s.get(t, key) != lua.LNil) {
		key, value = s.next(t, key)
	} else {
		if key != lua.LNil && t.RawGet(key) == lua.LNil {
			key = l.removedKey(c, t, key)
		}
		key, value = t.Next(key)
	}
	c.L.Push(key)
	if key == lua.LNil {
		return 1
	}
	c.L.Push(value)
	return 2
}

// removedKey returns the key with which gopher-lua continues after a key that has no value any more. It raises an error if the
// table never had it. The list of a table may have become shorter than the index of an element that was removed.
func (l *library) removedKey(c call, t *lua.LTable, key lua.LValue) lua.LValue {
	fields := reflect.ValueOf(t).Elem()
	if list := fields.Field(l.layout.array); isIndex(key) && int(key.(lua.LNumber)) <= list.Cap() {
		switch n := lua.LNumber(list.Len()); {
		case key.(lua.LNumber) <= n:
			return key
		case n == 0:
			return lua.LNil
		default:
			return n
		}
	}
	if keys := fields.Field(l.layout.keys); keys.Len() == 0 || !keys.MapIndex(reflect.ValueOf(key)).IsValid() {
		c.raise("invalid key to 'next'")
	}
	return key
}

// isIndex reports whether a key belongs to the list of a table.
func isIndex(key lua.LValue) bool {
	n, ok := key.(lua.LNumber)
	return ok && n == lua.LNumber(int(n)) && 1 <= n && n < lua.LNumber(lua.MaxArrayIndex)
}
