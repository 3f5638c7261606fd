package value

import (
	"runtime"
	"strings"
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

// Renew takes memory, and so time, in proportion to the value, however deeply its tables are nested. A long path is shortened, as
// is a long key.
func TestRenewDeep(t *testing.T) {
	l := lua.NewState()
	defer l.Close()
	const levels = 20_000
	outer := l.NewTable()
	inner := outer
	for range levels {
		next := l.NewTable()
		inner.RawSetInt(1, next)
		inner.RawSetInt(2, next)
		inner = next
	}
	inner.RawSetString(strings.Repeat("k", 100), l.NewFunction(func(*lua.LState) int { return 0 }))
	r := NewRenewer(func(lua.LValue) lua.LValue { return nil })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, lost := r.Renew(outer)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > levels<<10 {
		t.Errorf("Renew of %d levels allocates %d bytes, want 1 KiB for each at most", levels, allocated)
	}
	if want := "a function at [1][1][1][1][1][1]...[1][1][1][1][1][" + strings.Repeat("k", 40) + "...]"; lost != want {
		t.Errorf("lost %q, want %q", lost, want)
	}
}
