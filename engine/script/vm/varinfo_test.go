package vm

import (
	"fmt"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// The error of an operation on a value of the wrong type has the wording of Lua, with the name of the variable.
func TestVariableNames(t *testing.T) {
	m := start(t, Options{})
	object := m.State().NewTable()
	object.RawSetString("__metatable", lua.LString("client"))
	object.RawSetString("__index", m.State().NewTable())
	m.State().SetGlobal("client", &lua.LUserData{Metatable: object})
	rows := []struct{ source, want string }{
		{`tel("x")`, "attempt to call global 'tel' (a nil value)"},
		{`return tel("x")`, "attempt to call global 'tel' (a nil value)"},
		{`loadstring("x")`, "attempt to call global 'loadstring' (a nil value): code cannot be compiled at run time; keep functions in a table and choose one"},
		{`return os.exit(1)`, "attempt to call field 'exit' (a nil value): server.stop stops the server"},
		{`local f = io.open("x")`, "attempt to index global 'io' (a nil value): print and log write into the log, server.state keeps data, server.execute starts a program"},
		{`table.foreach({}, print)`, "attempt to call field 'foreach' (a nil value): write for k, v in pairs(t) or ipairs(t)"},
		{`io.stdout = 5`, "attempt to index global 'io' (a nil value): print and log write into the log, server.state keeps data, server.execute starts a program"},
		{`local io; io.write("x")`, "attempt to index local 'io' (a nil value)"},
		{`local y = 5; y()`, "attempt to call local 'y' (a number value)"},
		{`local y; return y()`, "attempt to call local 'y' (a nil value)"},
		{`local y; (function() y() end)()`, "attempt to call upvalue 'y' (a nil value)"},
		{`local t = {}; t.x()`, "attempt to call field 'x' (a nil value)"},
		{`t = {a = {}}; t.a.x("y")`, "attempt to call field 'x' (a nil value)"},
		{`local t = {}; t:sned(1)`, "attempt to call method 'sned' (a nil value)"},
		{`local s = "x"; return s:trim()`, "attempt to call method 'trim' (a nil value)"},
		{`client:sned("x")`, "there is no client:sned"},
		{`local c = client; return c:sned("x")`, "there is no client:sned"},
		{`client.sned("x")`, "attempt to call field 'sned' (a nil value)"},
		{`local t = {}; t[1]()`, "attempt to call a nil value"},
		{`(nil)()`, "attempt to call a nil value"},
		{`("x")()`, "attempt to call a string value"},
		{`for k in nil do end`, "attempt to call a nil value"},
		{`local t = {} for k in t do end`, "attempt to call a table value: a for loop goes over pairs(t) or ipairs(t)"},

		{`local x; return x.name`, "attempt to index local 'x' (a nil value)"},
		{`return nobody.name`, "attempt to index global 'nobody' (a nil value)"},
		{`nobody.name = 1`, "attempt to index global 'nobody' (a nil value)"},
		{`local x; x.name = 1`, "attempt to index local 'x' (a nil value)"},
		{`local x, y; x.a, y.b = 1, 2`, "attempt to index local 'y' (a nil value)"},
		{`local x; x["a b"] = 1`, "attempt to index local 'x' (a nil value)"},
		{`local x, k = nil, {}; return x[k]`, "attempt to index local 'x' (a nil value)"},
		{`local x; function f() return x.name end f()`, "attempt to index upvalue 'x' (a nil value)"},
		{`local t = {}; return t.a.b`, "attempt to index field 'a' (a nil value)"},
		{`local t = {}; t.a.b = 1`, "attempt to index field 'a' (a nil value)"},
		{`local t = {}; t.a:b()`, "attempt to index field 'a' (a nil value)"},
		{`local x; x:send("x")`, "attempt to index local 'x' (a nil value)"},
		{`local function f(topic) topic:send("x") end f()`, "attempt to index local 'topic' (a nil value)"},
		{`do local a, b = 1, 2 end local c; do local d = 1 end return c.x`, "attempt to index local 'c' (a nil value)"},
		{`for i = 1, 3 do local n = i; local z; n = z.x end`, "attempt to index local 'z' (a nil value)"},
		{`local x; local f = function() return x end; return f().y`, "attempt to index a nil value"},
		{`local a; return (a or false).x`, "attempt to index a boolean value"},
		{`return setmetatable({}, {__index = 5}).x`, "attempt to index a number value"},
		{`local o = setmetatable({}, {__index = function(t, k) return k.x.y end}); return o.name`, "attempt to index field 'x' (a nil value)"},

		{`local n; n = n + 1`, "attempt to perform arithmetic on local 'n' (a nil value)"},
		{`local t = {}; t.n = t.n + 1`, "attempt to perform arithmetic on field 'n' (a nil value)"},
		{`return 2 * count`, "attempt to perform arithmetic on global 'count' (a nil value)"},
		{`local s = "x"; return s - 1`, "attempt to perform arithmetic on local 's' (a string value)"},
		{`local a, b = "1", {}; return a / b`, "attempt to perform arithmetic on local 'b' (a table value)"},
		{`return "x" * 2`, "attempt to perform arithmetic on a string value"},
		{`local a, b = "x", "y"; return a % b`, "attempt to perform arithmetic on local 'a' (a string value)"},
		{`local a, b = "0x1", "y"; return a % b`, "attempt to perform arithmetic on local 'b' (a string value)"},
		{`local a = "y"; return -a`, "attempt to perform arithmetic on local 'a' (a string value)"},
		{`return 5 - nobody`, "attempt to perform arithmetic on global 'nobody' (a nil value)"},
		{`for i = {}, 2 do end`, "'for' initial value must be a number"},
		{`local n; for i = 1, n do end`, "'for' limit must be a number"},
		{`for i = "1", "2", "x" do end`, "'for' step must be a number"},
		{`local x; return -x`, "attempt to perform arithmetic on local 'x' (a nil value)"},
		{`local x; return #x`, "attempt to get length of local 'x' (a nil value)"},
		{`return #client.list`, "attempt to get length of field 'list' (a nil value)"},
		{`local name; return "Hello, " .. name .. "!"`, "attempt to concatenate local 'name' (a nil value)"},
		{`local name, b = nil, "b"; return "Hello, " .. b .. name .. "!"`, "attempt to concatenate local 'name' (a nil value)"},
		{`local t = {}; return "Hello, " .. t.name`, "attempt to concatenate field 'name' (a nil value)"},
		{`local t, u = {}, "u"; return t .. u`, "attempt to concatenate local 't' (a table value)"},
		{`local x = true; return (x and "1 2") - 7`, "attempt to perform arithmetic on a string value"},
		{`local n; if os then n = nobody else n = {} end; return n.a.b`, "attempt to index local 'n' (a nil value)"},
		{`return setmetatable({}, {__concat = 5}) .. "x"`, "attempt to call a number value"},
		{`return -setmetatable({}, {__unm = {}})`, "attempt to call a table value"},
		{`return 1 < "x"`, "attempt to compare number with string"},
		{`return {} <= {}`, "attempt to compare two table values"},
		{`error("attempt to call a non-function object")`, "attempt to call a non-function object"},
	}
	for _, row := range rows {
		if got, want := m.run(t, row.source).String(), "error: test.lua:1: "+row.want; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", row.source, got, want)
		}
		caught := fmt.Sprintf("local ok, problem = pcall(function() %s end) return problem", row.source)
		if got, want := m.run(t, caught).String(), "test.lua:1: "+row.want; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", caught, got, want)
		}
	}
}
