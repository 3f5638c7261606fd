package value

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// carry copies a value in steps of so many entries; functions become nothing, userdata the word it holds.
func carry(v lua.LValue, step int) (out lua.LValue, lost string, steps int) {
	c := Carrier{Replace: func(v lua.LValue) lua.LValue {
		if ud, ok := v.(*lua.LUserData); ok {
			return lua.LString(ud.Value.(string))
		}
		return nil
	}}
	c.Begin(v)
	for steps = 1; !c.Step(step); steps++ {
		continue
	}
	out, lost = c.Result()
	return out, lost, steps
}

// A carried value is a copy in which plain data is as it was and everything else is replaced; what becomes nothing is named.
func TestCarry(t *testing.T) {
	L := lua.NewState()
	defer L.Close()
	inner, list := L.NewTable(), L.NewTable()
	for i := range 1000 {
		list.Append(lua.LNumber(i))
	}
	inner.RawSetString("who", &lua.LUserData{Value: "alice"})
	outer := L.NewTable()
	outer.RawSetString("list", list)
	outer.RawSetString("inner", inner)
	outer.RawSetString("again", inner)
	outer.RawSetString("self", outer)
	outer.RawSetString("null", Null())
	inner.RawSetString("callback", L.NewFunction(func(*lua.LState) int { return 0 }))
	out, lost, steps := carry(outer, 100)
	copied, ok := out.(*lua.LTable)
	if !ok || copied == outer || lost != "a function at [inner][callback]" && lost != "a function at [again][callback]" || steps < 10 {
		t.Fatalf("carry = %v, lost %q, %d steps, want a copy that names the function, in steps", out, lost, steps)
	}
	again, _ := copied.RawGetString("again").(*lua.LTable)
	numbers, _ := copied.RawGetString("list").(*lua.LTable)
	if again == nil || copied.RawGetString("inner") != again || copied.RawGetString("self") != copied ||
		again.RawGetString("who") != lua.LString("alice") || again.RawGetString("callback") != lua.LNil ||
		numbers == nil || numbers.Len() != 1000 || numbers.RawGetInt(1000) != lua.LNumber(999) || copied.RawGetString("null") != Null() {
		t.Errorf("the copy is not as it was: %v", copied)
	}
	if inner.RawGetString("callback") == lua.LNil {
		t.Error("the original has lost its function, want it untouched")
	}
}
