package script

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// JSON returns a new table of what require "json" returns, for L and its threads.
func JSON(L *lua.LState) *lua.LTable {
	t := moduleOf(L, []function{
		{"encode", func(L *lua.LState) int {
			text, err := value.Append(nil, L.CheckAny(1), value.Limits{})
			raise(L, err)
			L.Push(lua.LString(text))
			return 1
		}},
		{"decode", func(L *lua.LState) int {
			v, err := value.Decode([]byte(L.CheckString(1)), value.Limits{}, value.Null())
			if err != nil {
				L.Push(lua.LNil)
				L.Push(lua.LString(err.Error()))
				return 2
			}
			L.Push(v)
			return 1
		}},
		{"array", func(L *lua.LState) int {
			list := L.OptTable(1, L.NewTable())
			raise(L, value.MarkArray(list))
			L.Push(list)
			return 1
		}},
		{"object", func(L *lua.LState) int {
			object := L.OptTable(1, L.NewTable())
			raise(L, value.MarkObject(object))
			L.Push(object)
			return 1
		}},
	})
	t.RawSetString("null", value.Null())
	return t
}
