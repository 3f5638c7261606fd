package stdlib

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A script cannot change what others use: neither a module nor the functions of a library, whatever it tries. It may add
// functions to a library.
func TestShared(t *testing.T) {
	t.Parallel()
	L := newVM(t, Options{})
	module := L.NewTable()
	module.RawSetString("one", lua.LNumber(1))
	module.RawSetString("two", lua.LNumber(2))
	L.SetGlobal("module", Shared{Name: "module", Contents: module, Missing: "there is no module.%s"}.Table(L))
	const readOnly = "error: t.lua:1: module.one cannot be set: the module is read-only, since all scripts share it; write a function of your own that calls it"
	for _, e := range []example{
		{`module.one, rawget(module, "one"), rawget(module, "three"), getmetatable(module)`, `1 1 nil "module"`},
		{`module.three`, `error: t.lua:1: there is no module.three`},
		{`(function() module.one = nil end)()`, readOnly},
		{`(function() rawset(module, "one", 5) end)()`, readOnly},
		{`(function() module.three = 3 end)()`, `error: t.lua:1: module.three cannot be set: the module is read-only, since all scripts share it; write a function of your own that calls it`},
		{`setmetatable(module, nil)`, `error: t.lua:1: cannot change a protected metatable`},
		{`table.insert(module, 1)`, `error: t.lua:1: 'insert' cannot change module, since all scripts share it`},
		{`table.remove(module)`, `error: t.lua:1: 'remove' cannot change module, since all scripts share it`},
		{`table.sort(module)`, `error: t.lua:1: 'sort' cannot change module, since all scripts share it`},
		{`(function() local _, t = pairs(module) t.one = 5 end)()`, readOnly},
		{`(function() local out = "" for k, v in pairs(module) do out = out .. k .. v end return out, next(module), next(module, "two") end)()`, `"one1two2" "one" nil`},
		{`next(module, "three")`, `error: t.lua:1: invalid key to 'next'`},
		{`module.one + module.two`, `3`},

		{`(function() string.format = nil end)()`, `error: t.lua:1: string.format cannot be changed, since all scripts share it; add a function under another name`},
		{`rawset(math, "pi", 3)`, `error: t.lua:1: math.pi cannot be changed, since all scripts share it; add a function under another name`},
		{`setmetatable(string, {})`, `error: t.lua:1: cannot change a protected metatable`},
		{`getmetatable(string), getmetatable(""), string.nothing, ("x").nothing`, `nil false nil nil`},
		{`(function() function string.trim(s) return (s:gsub("^%s+", "")) end return (" a"):trim(), string.trim(" b"), rawget(string, "trim") == string.trim end)()`, `"a" "b" true`},
		{`(function() local n = 0 for k in pairs(string) do n = n + 1 if k == "trim" then n = n + 100 end end return n end)()`, `114`},
		{`(function() string.trim = nil return string.trim, next(string, "upper") end)()`, `nil nil`},
		{`rawget(string, "len") == string.len, rawequal(string, string), #string`, `true true 0`},
	} {
		if got := evaluate(t, L, e.expression); got != e.want {
			t.Errorf("%s\n got %s\nwant %s", e.expression, got, e.want)
		}
	}
}
