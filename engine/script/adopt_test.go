package script

import (
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/bind"
	"perigee/engine/script/value"
)

// Adopt keeps the identity of tables. During the swap a table that is part of several values is converted once; after it, each
// value is converted as a whole.
func TestAdoptInPlace(t *testing.T) {
	l := lua.NewState()
	defer l.Close()
	a := &adoption{clients: &bind.Clients{}}
	shared := l.NewTable()
	adopt := func(when, want string) {
		t.Helper()
		shared.RawSetString("callback", l.NewFunction(func(*lua.LState) int { return 0 }))
		holder := l.NewTable()
		holder.RawSetString("shared", shared)
		v, lost := a.Adopt(value.Value{LValue: holder})
		held, _ := v.(value.Value)
		if held.LValue != holder || holder.RawGetString("shared") != shared || lost != want {
			t.Errorf("Adopt %s = %v, lost %q, want the same tables, lost %q", when, v, lost, want)
		}
	}
	adopt("first", "a function at [shared][callback]")
	adopt("of another value in the same swap", "")
	a.endAdoption()
	adopt("after the swap", "a function at [shared][callback]")
	adopt("of another value after the swap", "a function at [shared][callback]")
}
