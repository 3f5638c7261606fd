package script

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// jsonFunctions are the module json.
func jsonFunctions() []function {
	return []function{
		{"encode", "(value: any): string", "Returns the text of a value.", func(L *lua.LState) int {
			text, err := value.Append(nil, L.CheckAny(1), value.Limits{})
			raise(L, err)
			L.Push(lua.LString(text))
			return 1
		}},
		{
			"decode", "(text: string): any, string?",
			"Returns the value of a text, or nil and the reason where it is no JSON.",
			func(L *lua.LState) int {
				return pushDecoded(L, L.CheckString(1), value.Limits{})
			},
		},
		{
			"array", "(list?: table): table",
			"Marks a table as a list, so that an empty one is []; a new one without it.",
			func(L *lua.LState) int {
				list := L.OptTable(1, L.NewTable())
				raise(L, value.MarkArray(list))
				L.Push(list)
				return 1
			},
		},
		{
			"object", "(object?: table): table",
			"Marks a table as an object; a new one without it.",
			func(L *lua.LState) int {
				object := L.OptTable(1, L.NewTable())
				raise(L, value.MarkObject(object))
				L.Push(object)
				return 1
			},
		},
	}
}

// pushDecoded returns the value of a text, or nil and the reason where it is no JSON.
func pushDecoded(L *lua.LState, text string, limits value.Limits) int {
	v, err := value.Decode([]byte(text), limits, value.Null())
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(err.Error()))
		return 2
	}
	L.Push(v)
	return 1
}

// JSON returns a new table of what require "json" returns, for L and its threads.
func JSON(L *lua.LState) *lua.LTable {
	t := tableOf(L, jsonFunctions())
	for _, f := range jsonFields() {
		t.RawSetString(f.name, f.get(nil))
	}
	return t
}

// jsonFields are the values of the module json.
func jsonFields() []field {
	return []field{
		{"null", "userdata", "Null; one in a client's message is simply absent.", func(any) lua.LValue { return value.Null() }},
	}
}
