package value

import (
	"reflect"

	lua "github.com/yuin/gopher-lua"
)

// few is how many removed keys a table may keep whatever its size.
const few = 64

// Compact gives back what a table keeps for keys that have been removed, where these are more than twice as many as those
// that are left: gopher-lua never does (its tables remember every key they ever had, in order). The table stays the
// same one, with its order and its metatable. It tells whether it did anything; to find that out costs next to nothing.
//
// A traversal that is under way stays possible: next, given a key that was removed before, begins again at the first
// key that is left, so that none is left out, but some may come twice.
func Compact(t *lua.LTable) bool {
	length := t.Len()
	removed, left := spent(t, length)
	if removed <= 2*left+few {
		return false
	}
	rebuild(t, length, left-length, func(key lua.LValue) lua.LValue { return key })
	return true
}

// rebuild fills a table anew, of whose list this is the length, with room for so many keys behind it. rename says what such a
// key becomes; nil leaves it out.
func rebuild(t *lua.LTable, length, others int, rename func(key lua.LValue) lua.LValue) {
	fresh := newTable(length, others)
	fresh.Metatable = t.Metatable
	for i := 1; i <= length; i++ {
		fresh.RawSetInt(i, t.RawGetInt(i))
	}
	// For an unknown key, next goes on behind the first one: this one, which is nobody's.
	nobody := &lua.LUserData{}
	fresh.RawSetH(nobody, lua.LTrue)
	fresh.RawSetH(nobody, lua.LNil)
	for key, v := t.Next(afterList(length)); key != lua.LNil; key, v = t.Next(key) {
		if to := rename(key); to != lua.LNil {
			fresh.RawSet(to, v)
		}
	}
	*t = *fresh
}

// spent counts the places of a table that hold nothing any more, and those that do; length is that of its list. The names
// are those of gopher-lua's fields; a test shows that they mean this.
func spent(t *lua.LTable, length int) (removed, left int) {
	fields := reflect.ValueOf(t).Elem()
	size := func(field string) int { return fields.FieldByName(field).Len() }
	live := size("strdict") + size("dict")
	return size("array") - length + size("keys") - live, length + live
}
