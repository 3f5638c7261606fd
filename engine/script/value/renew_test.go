package value

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A renewed table is the same one; its values are replaced at any depth, and the first loss is named.
func TestRenew(t *testing.T) {
	l := lua.NewState()
	defer l.Close()
	before, after := &lua.LUserData{}, &lua.LUserData{}
	replaced := 0
	r := NewRenewer(func(v lua.LValue) lua.LValue {
		if v == before || v == after {
			replaced++
			return after
		}
		return nil
	})
	outer, inner := l.NewTable(), l.NewTable()
	outer.RawSetString("inner", inner)
	outer.RawSetString("self", outer)
	inner.RawSetString("who", before)
	inner.RawSet(before, lua.LTrue)
	inner.RawSetString("callback", l.NewFunction(func(*lua.LState) int { return 0 }))
	out, lost := r.Renew(outer)
	if out != outer || outer.RawGetString("inner") != inner || lost != "a function at [inner][callback]" {
		t.Errorf("Renew = %v, lost %q, want the same tables, and the function named", out, lost)
	}
	if inner.RawGetString("who") != after || inner.RawGet(after) != lua.LTrue || inner.RawGet(before) != lua.LNil || inner.RawGetString("callback") != lua.LNil {
		t.Errorf("inner = who %v, under the new key %v, want both replaced and no function", inner.RawGetString("who"), inner.RawGet(after))
	}

	// A table that other values contain, too, is renewed once.
	inner.RawSetString("who", before)
	replaced = 0
	holder := l.NewTable()
	holder.RawSetInt(1, inner)
	if _, lost := r.Renew(holder); replaced != 0 || lost != "" {
		t.Errorf("Renew of a table renewed before replaced %d values, lost %q, want it left alone", replaced, lost)
	}
}
