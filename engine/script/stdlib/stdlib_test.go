package stdlib

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// newVM returns a VM of the server's size with the library open, and a pcall to observe errors.
func newVM(tb testing.TB, o Options) *lua.LState {
	tb.Helper()
	L := lua.NewState(lua.Options{
		SkipOpenLibs: true, RegistrySize: 128, RegistryMaxSize: 1 << 17, RegistryGrowStep: 512,
		CallStackSize: 1000, MinimizeStackMemory: true,
	})
	tb.Cleanup(L.Close)
	Open(L, o)
	L.SetGlobal("pcall", L.NewFunction(func(L *lua.LState) int {
		if err := L.PCall(L.GetTop()-1, lua.MultRet, nil); err != nil {
			L.Push(lua.LFalse)
			if failure := (*lua.ApiError)(nil); errors.As(err, &failure) {
				L.Push(failure.Object)
			} else {
				L.Push(lua.LString(err.Error()))
			}
			return 2
		}
		L.Insert(lua.LTrue, 1)
		return L.GetTop()
	}))
	return L
}

// evaluate runs `return <expression>` as line 1 of a file t.lua and shows all results, or "error: " and the error.
func evaluate(tb testing.TB, L *lua.LState, expression string) string {
	tb.Helper()
	f, err := L.Load(strings.NewReader("return "+expression), "t.lua")
	if err != nil {
		tb.Fatalf("Load(%s): %v", expression, err)
	}
	L.Push(f)
	if err := L.PCall(0, lua.MultRet, nil); err != nil {
		if failure := (*lua.ApiError)(nil); errors.As(err, &failure) {
			return "error: " + failure.Object.String()
		}
		return "error: " + err.Error()
	}
	var shown []string
	for i := range L.GetTop() {
		switch v := L.Get(i + 1).(type) {
		case lua.LString:
			shown = append(shown, fmt.Sprintf("%q", string(v)))
		case *lua.LTable, *lua.LFunction:
			shown = append(shown, v.Type().String())
		default:
			shown = append(shown, v.String())
		}
	}
	L.SetTop(0)
	return strings.Join(shown, " ")
}

type example struct{ expression, want string }

// examples checks expressions, one after the other in the same VM.
func examples(t *testing.T, o Options, list []example) {
	t.Helper()
	L := newVM(t, o)
	for _, e := range list {
		if got := evaluate(t, L, e.expression); got != e.want {
			t.Errorf("%s\n got %s\nwant %s", e.expression, got, e.want)
		}
	}
}

func TestGlobals(t *testing.T) {
	// A script sees these names and no others.
	t.Parallel()
	L := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer L.Close()
	Open(L, Options{})
	var got []string
	list := func(prefix string, t *lua.LTable) {
		for key, v := t.Next(lua.LNil); key != lua.LNil; key, v = t.Next(key) {
			got = append(got, prefix+key.String())
			if library, ok := v.(*lua.LTable); ok && library != t {
				s, _ := sharedBy(library)
				for name, _ := s.Contents.Next(lua.LNil); name != lua.LNil; name, _ = s.Contents.Next(name) {
					got = append(got, key.String()+"."+name.String())
				}
			}
		}
	}
	list("", L.Get(lua.GlobalsIndex).(*lua.LTable))
	want := "_G _VERSION assert error getmetatable next print rawequal rawget rawset select setmetatable tonumber " +
		"tostring type unpack ipairs pairs " +
		"string string.byte string.char string.find string.format string.gmatch string.gsub string.len string.lower " +
		"string.match string.rep string.reverse string.sub string.upper " +
		"table table.concat table.insert table.maxn table.remove table.sort " +
		"math math.abs math.acos math.asin math.atan math.atan2 math.ceil math.cos math.cosh math.deg math.exp " +
		"math.floor math.fmod math.frexp math.ldexp math.log math.log10 math.max math.min math.modf math.pow math.rad " +
		"math.random math.randomseed math.sin math.sinh math.sqrt math.tan math.tanh math.huge math.pi " +
		"os os.clock os.date os.difftime os.time"
	if strings.Join(got, " ") != want {
		t.Errorf("globals:\n got %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestErrors(t *testing.T) {
	// Errors have the position of their level, and none if that is a Go function; assert does not change its message.
	t.Parallel()
	examples(t, Options{}, []example{
		{`assert(1, 2, 3)`, `1 2 3`},
		{`assert(false)`, `error: assertion failed!`},
		{`assert(nil, nil)`, `error: assertion failed!`},
		{`assert(false, "m")`, `error: m`},
		{`select(2, pcall(assert, false, setmetatable({}, {__tostring = error}))) ~= nil`, `true`},
		{`type(select(2, pcall(assert, false, {})))`, `"table"`},
		{`assert()`, `error: t.lua:1: bad argument #1 to 'assert' (value expected)`},
		{`error("e")`, `error: t.lua:1: e`},
		{`error("e", 0)`, `error: e`},
		{`error("e", 2)`, `error: e`},
		{`error()`, `error: nil`},
		{`error(12)`, `error: t.lua:1: 12`},
		{`pcall(error)`, `false nil`},
		{`pcall(error, "e")`, `false "e"`},
		{`pcall(error, "e", 1)`, `false "e"`},
		{`pcall(error, "100%d %s")`, `false "100%d %s"`},
		{`pcall(string.rep)`, `false "bad argument #1 to 'rep' (string expected, got no value)"`},
		{`pcall(function() error("e", 2) end)`, `false "e"`},
		{"(function()\n  local function check() error('low', 2) end\n  check()\n end)()", `error: t.lua:3: low`},
		{
			"(function()\n  local function check() error('deep', 3) end\n  local function f() check() return 1 end\n  f()\n end)()",
			`error: t.lua:4: deep`,
		},
		{"(function()\n  local function check() error('tail', 2) end\n  return check()\n end)()", `error: tail`},
	})
}

func TestMetatables(t *testing.T) {
	// Protected metatables, that of strings among them, can neither be read nor replaced.
	t.Parallel()
	examples(t, Options{}, []example{
		{`getmetatable("")`, `false`},
		{`pcall(function() getmetatable("").__index = nil end)`, `false "t.lua:1: attempt to index a non-table object(boolean) with key '__index'"`},
		{`setmetatable("", {})`, `error: t.lua:1: bad argument #1 to 'setmetatable' (table expected, got string)`},
		{`setmetatable({})`, `error: t.lua:1: bad argument #2 to 'setmetatable' (nil or table expected)`},
		{`setmetatable(setmetatable({}, {__metatable = 1}), {})`, `error: t.lua:1: cannot change a protected metatable`},
		{`getmetatable(setmetatable({}, {__metatable = 1}))`, `1`},
		{`getmetatable(setmetatable(setmetatable({}, {}), nil))`, `nil`},
		{`getmetatable()`, `error: t.lua:1: bad argument #1 to 'getmetatable' (value expected)`},
		{`rawequal(1, 1), rawequal({}, {}), rawequal("a", "a")`, `true false true`},
		{`rawget(setmetatable({}, {__index = {a = 1}}), "a")`, `nil`},
		{`rawset(setmetatable({}, {__newindex = error}), "a", 1).a`, `1`},
		{`pcall(rawset, {}, nil, 1)`, `false "t.lua:1: table index is nil"`},
	})
}

func TestBase(t *testing.T) {
	// The rest of the base library works as in Lua 5.1.
	t.Parallel()
	examples(t, Options{}, []example{
		{`next({})`, `nil`},
		{`next({7})`, `1 7`},
		{`next({7}, 1)`, `nil`},
		{`pairs({}) == next`, `true`},
		{`(function() local s = "" for k, v in pairs({1, nil, 3, a = "x"}) do s = s .. k .. v end return s end)()`, `"1133ax"`},
		{`(function() local s = "" for i, v in ipairs({1, 2, nil, 4}) do s = s .. i .. v end return s end)()`, `"1122"`},
		{`ipairs()`, `error: t.lua:1: bad argument #1 to 'ipairs' (table expected, got no value)`},
		{`select("#"), select("#", nil, nil)`, `0 2`},
		{`select(2, 1, 2, 3)`, `2 3`},
		{`select(-1, 1, 2)`, `2`},
		{`select(9, 1)`, ``},
		{`select(-9, 1)`, `error: t.lua:1: bad argument #1 to 'select' (index out of range)`},
		{`tonumber("1e5"), tonumber("0x10"), tonumber(" 12\n"), tonumber("010"), tonumber("0b11")`, `100000 16 12 10 nil`},
		{`tonumber("inf"), tonumber("nan"), tonumber("1_000"), tonumber("0x_1"), tonumber(""), tonumber("1 2")`, `nil nil nil nil nil nil`},
		{`tonumber("1e999"), tonumber("-.5"), tonumber("5."), tonumber("0x.8"), tonumber("0x1p4")`, `+Inf -0.5 5 0.5 16`},
		{`tonumber("ff", 16), tonumber("-ZZ", 36), tonumber("12", 2), tonumber(" 0x1F ", 16), tonumber("", 8)`, `255 -1295 nil 31 nil`},
		{`tonumber(nil), tonumber({}), tonumber(true)`, `nil nil nil`},
		{`tonumber("1", 37)`, `error: t.lua:1: bad argument #2 to 'tonumber' (base out of range)`},
		{`tonumber()`, `error: t.lua:1: bad argument #1 to 'tonumber' (value expected)`},
		{`tostring(1e15), tostring(0.1), tostring(nil), tostring(-1)`, `"1000000000000000" "0.1" "nil" "-1"`},
		{`tostring(setmetatable({}, {__tostring = function() return "me" end}))`, `"me"`},
		{`tostring(setmetatable({}, {__tostring = function() error("inner", 0) end}))`, `error: inner`},
		{`tostring()`, `error: t.lua:1: bad argument #1 to 'tostring' (value expected)`},
		{`type(nil), type(1), type(type)`, `"nil" "number" "function"`},
		{`unpack({1, 2, nil, 4}, 2, 4)`, `2 nil 4`},
		{`unpack({}, 1, 3)`, `nil nil nil`},
		{`unpack({1, 2}, 3)`, ``},
		{`unpack({[0] = "z", "a"}, 0)`, `"z" "a"`},
		{`_G._G == _G, _VERSION`, `true "Lua 5.1"`},
	})
}

func TestPrint(t *testing.T) {
	// print joins with tabs and neither adds nor removes newlines; a __tostring that returns no string is an error.
	t.Parallel()
	var lines []string
	L := newVM(t, Options{Print: func(text string) { lines = append(lines, text) }})
	evaluate(t, L, `print(1, nil, "a\nb", true)`)
	evaluate(t, L, `print()`)
	evaluate(t, L, `print(setmetatable({}, {__tostring = function() print("inner") return "outer" end}), 2)`)
	if got, want := strings.Join(lines, "|"), "1\tnil\ta\nb\ttrue||inner|outer\t2"; got != want {
		t.Errorf("print wrote %q, want %q", got, want)
	}
	got := evaluate(t, L, `print(setmetatable({}, {__tostring = function() return {} end}))`)
	if want := `error: t.lua:1: 'tostring' must return a string to 'print'`; got != want {
		t.Errorf("print(a table whose __tostring returns a table): %s, want %s", got, want)
	}
}

func TestMath(t *testing.T) {
	// The math library works as in Lua 5.1, also with extreme numbers.
	t.Parallel()
	examples(t, Options{}, []example{
		{`math.huge == 1/0, -math.huge`, `true -Inf`},
		{`math.modf(3.7)`, `3 0.7000000000000002`},
		{`math.modf(-1/0)`, `-Inf 0`},
		{`math.fmod(-7, 3), math.fmod(7, -3)`, `-1 1`},
		{`math.frexp(8)`, `0.5 4`},
		{`math.ldexp(1, 1e9), math.ldexp(0.5, 4)`, `+Inf 8`},
		{`math.log10(1000), math.log10(1e22), math.log10(0.001)`, `3 22 -3`},
		{`math.max(1, 3, 2), math.min("0x10", 20)`, `3 16`},
		{`math.max()`, `error: t.lua:1: bad argument #1 to 'max' (number expected, got no value)`},
		{`math.floor("a")`, `error: t.lua:1: bad argument #1 to 'floor' (number expected, got string)`},
		{`math.floor(-0.5), math.ceil(1.2), math.pow(2, 10), math.deg(math.pi), math.rad(180) == math.pi`, `-1 2 1024 180 true`},
		{`math.random(0)`, `error: t.lua:1: bad argument #1 to 'random' (interval is empty)`},
		{`math.random(2, 1)`, `error: t.lua:1: bad argument #2 to 'random' (interval is empty)`},
		{`math.random(1, 2, 3)`, `error: t.lua:1: wrong number of arguments`},
		{`math.random(5, 5), math.random(1)`, `5 1`},
		{`math.random(-math.huge, math.huge) ~= nil`, `true`},
		{`(function()
			for _ = 1, 2000 do
				local a, b, c = math.random(), math.random(3), math.random(-1, 1)
				if a < 0 or a >= 1 or b < 1 or b > 3 or b % 1 ~= 0 or c < -1 or c > 1 then return a, b, c end
			end
		end)()`, ``},
	})
}

func TestRandomseed(t *testing.T) {
	t.Parallel()
	const draw = `(function() local d = {} for i = 1, 20 do d[i] = math.random(1000) end return table.concat(d, " ") end)()`
	L, other := newVM(t, Options{}), newVM(t, Options{})
	// Two VMs do not draw alike until both have the same seed.
	if a, b := evaluate(t, L, draw), evaluate(t, other, draw); a == b {
		t.Errorf("two VMs without a seed both drew %s", a)
	}
	evaluate(t, L, `math.randomseed(42)`)
	evaluate(t, other, `math.randomseed(42.7)`)
	first := evaluate(t, L, draw)
	if got := evaluate(t, other, draw); got != first {
		t.Errorf("after randomseed(42) and (42.7): %s and %s, want the same", first, got)
	}
	thread, _ := L.NewThread()
	evaluate(t, L, `math.randomseed(42)`)
	if got := evaluate(t, thread, draw); got != first {
		t.Errorf("a thread drew %s, want its VM's %s", got, first)
	}
}
