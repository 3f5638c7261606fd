package value

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// copyInPieces copies a table and returns the number of steps.
func copyInPieces(t *lua.LTable) (out *lua.LTable, steps int) {
	c := NewCopier(t)
	for steps = 1; !c.Step(); steps++ {
		continue
	}
	return c.Result(), steps
}

// A Copier's result has the plain data as it was, and nothing else.
func TestCopier(t *testing.T) {
	L := lua.NewState()
	defer L.Close()
	inner, list := L.NewTable(), L.NewTable()
	for i := range 3 * StepEntries {
		list.Append(lua.LNumber(i))
	}
	inner.RawSetString("name", lua.LString("alice"))
	outer := L.NewTable()
	outer.RawSetString("list", list)
	outer.RawSetString("inner", inner)
	outer.RawSetString("again", inner)
	outer.RawSetString("self", outer)
	outer.RawSetString("null", Null())
	inner.RawSetString("client", &lua.LUserData{Value: "alice"})
	inner.RawSet(&lua.LUserData{}, lua.LTrue)
	inner.RawSetString("callback", L.NewFunction(func(*lua.LState) int { return 0 }))
	inner.Metatable = L.NewTable()
	copied, steps := copyInPieces(outer)
	if copied == outer || steps < 3 {
		t.Fatalf("the copy is %v, made in %d steps, want another table, in several", copied, steps)
	}
	again, _ := copied.RawGetString("again").(*lua.LTable)
	numbers, _ := copied.RawGetString("list").(*lua.LTable)
	if again == nil || copied.RawGetString("inner") != again || copied.RawGetString("self") != copied ||
		again.RawGetString("name") != lua.LString("alice") || copied.RawGetString("null") != Null() ||
		numbers == nil || numbers.Len() != 3*StepEntries || numbers.RawGetInt(1000) != lua.LNumber(999) {
		t.Errorf("the copy is not as it was: %v", copied)
	}
	key, _ := again.Next(lua.LString("name"))
	if key != lua.LNil || again.Metatable != lua.LNil {
		t.Errorf("the copy also has %v and the metatable %v, want neither", key, again.Metatable)
	}
	if inner.RawGetString("callback") == lua.LNil {
		t.Error("the original has lost its function, want it untouched")
	}
}
