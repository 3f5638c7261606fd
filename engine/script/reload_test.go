package script

import (
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/bind"
	"perigee/engine/script/value"
)

// What is adopted stays the table that others hold too. During the swap one that stands in several values is gone over once;
// afterwards each value is gone over whole.
func TestAdoptInPlace(t *testing.T) {
	l := lua.NewState()
	defer l.Close()
	p := &Program{audience: &bind.Clients{}}
	shared := l.NewTable()
	adopt := func(when, want string) {
		t.Helper()
		shared.RawSetString("callback", l.NewFunction(func(*lua.LState) int { return 0 }))
		holder := l.NewTable()
		holder.RawSetString("shared", shared)
		v, lost := p.Adopt(value.Value{LValue: holder})
		held, _ := v.(value.Value)
		if held.LValue != holder || holder.RawGetString("shared") != shared || lost != want {
			t.Errorf("Adopt %s = %v, lost %q, want the same tables, lost %q", when, v, lost, want)
		}
	}
	adopt("first", "a function at [shared][callback]")
	adopt("of another value in the same swap", "")
	p.started = true
	adopt("after the swap", "a function at [shared][callback]")
	adopt("of another value after the swap", "a function at [shared][callback]")
}
