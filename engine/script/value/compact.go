package value

import (
	"reflect"

	lua "github.com/yuin/gopher-lua"
)

// fewKeys is how many removed keys a table of any size may keep.
const fewKeys = 64

// Compact frees the memory that a table keeps for removed keys if these are more than twice as many as the remaining ones:
// gopher-lua never does (its tables remember every key they ever had, in order). The table stays the same one, with its order
// and its metatable. Compact reports whether it did anything; if there is nothing to do, it costs next to nothing.
//
// A traversal in progress stays possible: next, given a key that was removed before, begins again at the first remaining
// key, so that none is left out, but some may come twice.
func Compact(t *lua.LTable) bool {
	length := t.Len()
	removed, left := countKeys(t, length)
	if removed <= 2*left+fewKeys {
		return false
	}
	rebuild(t, length, left-length, func(key lua.LValue) lua.LValue { return key })
	return true
}

// Compactor compacts tables and the tables inside of them, in pieces.
type Compactor struct{ walk }

// Step looks at [StepEntries] entries of the tables that were added and reports whether these were the last.
func (c *Compactor) Step() (done bool) { return c.step(StepEntries, c) }

func (c *Compactor) enter(t *lua.LTable) { Compact(t) }

func (c *Compactor) entry(_ *lua.LTable, key, v lua.LValue) { c.find(v, key) }

// rebuild fills a table anew. length is that of its list, and others is how many other keys to make room for. rename
// returns the new key for each of these; nil drops the entry.
func rebuild(t *lua.LTable, length, others int, rename func(key lua.LValue) lua.LValue) {
	fresh := newTable(length, others)
	fresh.Metatable = t.Metatable
	for i := 1; i <= length; i++ {
		fresh.RawSetInt(i, t.RawGetInt(i))
	}
	// Given an unknown key, next continues after the first key that is not in the list. This dummy, which no script can
	// have, makes that the beginning.
	dummy := &lua.LUserData{}
	fresh.RawSetH(dummy, lua.LTrue)
	fresh.RawSetH(dummy, lua.LNil)
	for key, v := t.Next(afterList(length)); key != lua.LNil; key, v = t.Next(key) {
		if to := rename(key); to != lua.LNil {
			fresh.RawSet(to, v)
		}
	}
	*t = *fresh
}

// countKeys counts the slots of a table that are empty, and those that hold something; length is that of its list. The names
// are those of gopher-lua's fields; a test shows that they mean this.
func countKeys(t *lua.LTable, length int) (removed, left int) {
	fields := reflect.ValueOf(t).Elem()
	size := func(field string) int { return fields.FieldByName(field).Len() }
	live := size("strdict") + size("dict")
	return size("array") - length + size("keys") - live, length + live
}
