package module

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/api"
	"perigee/engine/script/value"
)

// JSON is the module json. bigText is that of value.Limits.
func JSON(bigText bool) api.Module {
	return api.Module{Name: "json", Doc: "JSON.", Fields: jsonFields(), Functions: jsonFunctions(bigText)}
}

func jsonFunctions(bigText bool) []api.Function {
	return []api.Function{
		{
			Name: "encode", Signature: "(value: any): string",
			Doc: "Returns a value as JSON. A table that is a list becomes an array, any other table an object; an empty table without a mark is {}. A client or a topic becomes its object. Raises an error if a value has no JSON form.",
			Run: func(L *lua.LState) int {
				text, err := value.Append(nil, L.CheckAny(1), value.Limits{Turn: L.Context()})
				api.Raise(L, err)
				return api.Push(L, lua.LString(text))
			},
		},
		{Name: "decode", Signature: "(text: string): any, string?", Doc: "Returns the value of a JSON text, or nil and the reason if it is not JSON. Integers beyond 2^53 are refused, or strings if lua.big_integers says so.", Run: func(L *lua.LState) int {
			return pushDecoded(L, L.CheckString(1), value.Limits{BigText: bigText, Turn: L.Context()})
		}},
		{Name: "array", Signature: "(list?: table): table", Doc: "Marks a table, or a new one, as a list, so that it is [] even if it is empty. Returns it.", Run: func(L *lua.LState) int {
			list := L.OptTable(1, L.NewTable())
			api.Raise(L, value.MarkArray(list))
			return api.Push(L, list)
		}},
		{Name: "object", Signature: "(object?: table): table", Doc: "Marks a table, or a new one, as an object. Returns it.", Run: func(L *lua.LState) int {
			object := L.OptTable(1, L.NewTable())
			api.Raise(L, value.MarkObject(object))
			return api.Push(L, object)
		}},
	}
}

// pushDecoded returns the value of a JSON text to Lua, or nil and the reason if it is not JSON.
func pushDecoded(L *lua.LState, text string, limits value.Limits) int {
	v, err := value.Decode([]byte(text), limits, value.Null())
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(api.Sentence(err)))
		return 2
	}
	return api.Push(L, v)
}

// jsonFields are the fields of the module json.
func jsonFields() []api.Field {
	return []api.Field{
		{Name: "null", Type: "userdata", Doc: "The null of JSON. A null in a message of a client is dropped instead.", Get: func(any) lua.LValue { return value.Null() }},
	}
}
