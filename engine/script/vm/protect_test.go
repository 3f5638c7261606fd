package vm

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// pcall and xpcall return the same as those of Lua, and errors have a place.
func TestProtected(t *testing.T) {
	m := start(t, Options{})
	runAll(t, m, []script{
		{"results", `return select("#", pcall(function() return 1, nil, nil end))`, "4"},
		{"arguments", `local _, a, b, c = pcall(function(...) return select("#", ...), ... end, nil, 2) return tostring(a) .. tostring(b) .. tostring(c)`, "2nil2"},
		{"error", "local ok, e = pcall(function()\nerror('oh') end) return tostring(ok) .. e", "falsetest.lua:2: oh"},
		{"value", `local v = {} local ok, e = pcall(error, v) return not ok and e == v`, "true"},
		{"nil value", `return select("#", pcall(error, nil))`, "2"},
		{"of a Go function", "\nlocal _, e = pcall(string.rep) return e", "test.lua:2: bad argument #1 to 'rep' (string expected, got no value)"},
		{"of pcall of a Go function", "\nlocal _, _, e = pcall(pcall, string.rep) return e", "bad argument #1 to 'rep' (string expected, got no value)"},
		{"of coroutine.create", "\nlocal _, e = pcall(coroutine.create) return e", "test.lua:2: bad argument #1 to 'create' (function expected, got no value)"},
		{"of error", `local _, e = pcall(error, "to the letter") return e`, "to the letter"},
		{"of assert", `local _, e = pcall(assert, nil, " to the letter") return e`, " to the letter"},
		{"of no function", "\nlocal _, e = pcall(nil) return e", "attempt to call a nil value"},
		{"of a table", "\nlocal _, e = pcall({}) return e", "attempt to call a table value"},
		{"__call", `return select(2, pcall(setmetatable({}, {__call = function(_, x) return x end}), "called"))`, "called"},
		{"nothing", `pcall()`, "error: test.lua:1: bad argument #1 to 'pcall' (value expected)"},
		{"Go panic", "\nlocal _, e = pcall(crash) return e", "test.lua:2: internal error"},
		{"again", `local ok, e = pcall(function() local ok, e = pcall(error, "in", 0) error(e .. " out", 0) end) return e`, "in out"},
		{"xpcall", `return select(2, xpcall(function() return "fine" end, error))`, "fine"},
		{"xpcall with arguments", `return select(2, xpcall(function(a, b) return a .. b end, error, "a", "b"))`, "ab"},
		{"handler", `return select(2, xpcall(function() error("oh", 0) end, function(e) return "handled " .. e end))`, "handled oh"},
		{"handler fails", `local ok, e = xpcall(error, function() error("worse", 0) end) return tostring(ok) .. e`, "falseerror in error handling"},
		{"handler of a Go function", "\nreturn select(2, xpcall(string.rep, function(e) return e end))", "test.lua:2: bad argument #1 to 'rep' (string expected, got no value)"},
		{"no handler", `xpcall(print)`, "error: test.lua:1: bad argument #2 to 'xpcall' (value expected)"},
	})
}

// A caught error does not damage variables that closures share, neither those of the caller nor those of the failed function.
func TestUpvalues(t *testing.T) {
	m := start(t, Options{})
	const count = `local n = 0 local function inc() n = n + 1 end inc() `
	runAll(t, m, []script{
		{"pcall", count + `pcall(error, "e") inc() inc() return n`, "3"},
		{"xpcall", count + `xpcall(error, function() inc() error("e") end) inc() inc() return n`, "4"},
		{"resume", count + `coroutine.resume(coroutine.create(error), "e") inc() inc() return n`, "3"},
		{"wrap", count + `pcall(coroutine.wrap(error), "e") inc() inc() return n`, "3"},
		{"call", count + `pcall(call, "inner", error, "e") inc() inc() return n`, "3"},
		{"stack overflow", count + `local function f() inc() return 1 + f() end pcall(f) local now = n inc() inc() return n - now`, "2"},
		{"of those who failed", `
			local get, set
			pcall(function()
				local x = 1
				get, set = function() return x end, function(v) x = v end
				error("e")
			end)
			set(get() + 1)
			pcall(function() local y, z = 3, 4 return y end)
			return get()`, "2"},
		{"of those who overflowed", `
			local get, set
			local function f(n)
				local x = n
				if n == 50 then get, set = function() return x end, function(v) x = v end end
				return 1 + f(n + 1)
			end
			pcall(f, 1)
			set(get() + 1)
			pcall(f, 51)
			return get()`, "51"},
		{"of those who panicked", `
			local get
			pcall(function() local x = 7 get = function() return x end crash() end)
			return get()`, "7"},
	})
}

// Endless recursion is an error wherever it happens. It does not end the process, and the machine still works.
func TestDepth(t *testing.T) {
	m := start(t, Options{})
	const overflow = "stack overflow"
	for _, s := range []script{
		{"Lua", `local function f() return 1 + f() end f()`, overflow},
		{"many registers", `local function f(...) local a, b, c, d = ... return f(1, 2, 3, a, b, c, d, ...), 1 end f()`, overflow},
		{"growing tail call", "local function f(...) return f(1" + strings.Repeat(", 1", 149) + ", ...) end f()", overflow},
		{"pcall", `local function f() local ok, e = pcall(f) if not ok then error(e, 0) end end f()`, overflow},
		{"xpcall", `local function f() local ok, e = xpcall(f, function(e) return e end) if not ok then error(e, 0) end end f()`, overflow},
		{"xpcall handler", `local function f(e) local ok, e = xpcall(error, f) if not ok then error(e, 0) end end f()`, "error in error handling"},
		{"metamethod", `local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]`, overflow},
		{"newindex", `local t = setmetatable({}, {__newindex = function(t, k, v) t[k + 1] = v end}) t[1] = 1`, overflow},
		{"tostring", `return tostring(setmetatable({}, {__tostring = function(t) return tostring(t) end}))`, overflow},
		{"gsub", `local function f() return (("x"):gsub("x", f)) end return f()`, overflow},
		{"sort", `local function f() table.sort({1, 2}, f) return false end f()`, overflow},
		{"iterator", `local function f() for _ in f do end end f()`, overflow},
		{"call", `local function f() return call("f", f) end f()`, overflow},
		{"resume", `local function f() return coroutine.wrap(f)() end f()`, overflow},
		{"Lua below many pcalls", `
			local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
			local function f(n) if n == 0 then return deep(25000) end local ok, e = pcall(f, n - 1) if not ok then error(e, 0) end end
			f(20)`, overflow},
		{"all of them", `
			local t, f = {}
			setmetatable(t, {__index = function(t, n) if n > 400 then return f() end return t[n + 1] .. "" end})
			f = function()
				local ok, e = pcall(function() return t[1] end)
				if not ok then error(e, 0) end
				return e
			end
			f()`, overflow},
	} {
		t.Run(s.name, func(t *testing.T) {
			if o := m.run(t, s.source); o.err == nil || !strings.HasSuffix(o.err.Error(), s.want) || !hasPlace(o.err.Error()) {
				t.Errorf("%s\ngot  %v\nwant a place and %s", s.source, o, s.want)
			}
			if o := m.run(t, `return 1`); o.String() != "1" {
				t.Errorf("the call after: got %v, want 1", o)
			}
		})
	}
	runAll(t, m, []script{
		{"depth of pcall", `local function f(n) if n == 0 then return "deep" end return select(2, pcall(f, n - 1)) end return f(150)`, "deep"},
		{"Lua below pcall", `
			local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
			local function f(n) if n == 0 then return deep(150) end return select(2, pcall(f, n - 1)) end
			return deep(900) + f(100)`, "1050"},
	})
}

// A nested call returns its result, and its error keeps its value, place and traceback.
func TestNestedCall(t *testing.T) {
	m := start(t, Options{})
	runAll(t, m, []script{
		{"result", `return call("inner", function(x) return x + 1 end, 1)`, "2"},
		{"caller", `return caller() .. call("inner", function() return caller() end) .. caller()`, "callinnercall"},
		{"value", `local v = {} local _, e = pcall(call, "inner", error, v) return e == v`, "true"},
		{"error", "call('inner', function()\nerror('oh') end)", "error: test.lua:2: oh"},
	})
	o := m.run(t, "local function inner()\nerror('oh')\nend\ncall('inner', inner)")
	var e *Error
	if !errors.As(o.err, &e) {
		t.Fatalf("Call = %v, want an *Error", o)
	}
	want := "[Go]: in function 'error'\n" +
		"test.lua:2: in function <test.lua:1>\n" +
		"[Go]: in function 'call'\n" +
		"test.lua:4: in main chunk"
	if e.Traceback != want {
		t.Errorf("Traceback: got\n%s\nwant\n%s", e.Traceback, want)
	}
}

// A traceback is short however deep the stack is. A chain of tail calls is one line. A Go panic is named.
func TestTraceback(t *testing.T) {
	m := start(t, Options{})
	trace := func(source string) string {
		t.Helper()
		var e *Error
		if o := m.run(t, source); !errors.As(o.err, &e) {
			t.Fatalf("%s: got %v, want an *Error", source, o)
		}
		return e.Traceback
	}
	if got := trace(`local function f() return 1 + f() end f()`); strings.Count(got, "\n") != maxTrace-1 || !strings.HasSuffix(got, "\n...") {
		t.Errorf("Traceback of an overflow: got\n%s\nwant %d lines and ...", got, maxTrace)
	}
	got := trace("local function f(n)\nif n == 0 then error('oh') end\nreturn f(n - 1)\nend\nf(1e5)")
	want := "[Go]: in function 'error'\ntest.lua:2: in function <test.lua:1>\ntest.lua:5: in main chunk"
	if got != want {
		t.Errorf("Traceback of tail calls: got\n%s\nwant\n%s", got, want)
	}
	m.State().SetGlobal("count", m.State().NewFunction(func(L *lua.LState) int {
		n := 0
		eachFrame(L, func(*lua.Debug) bool { n++; return true })
		L.Push(lua.LNumber(n))
		return 1
	}))
	const loop = `local function f(n) if n == 0 then local c = count() return c end return f(n - 1) end return `
	if few, many := m.run(t, loop+`f(0)`).String(), m.run(t, loop+`f(1000)`).String(); few != many {
		t.Errorf("frames after 1000 tail calls: got %s, want %s", many, few)
	}
	got = trace(`crash()`)
	if !strings.HasPrefix(got, "[Go]: panic: runtime error: invalid memory address or nil pointer dereference (perigee/engine/script/vm.") ||
		!strings.HasSuffix(got, ")\n[Go]: in function 'crash'\ntest.lua:1: in main chunk") {
		t.Errorf("Traceback of a Go panic: got\n%s\nwant its text, its place and the functions", got)
	}
}

// A message is at most 4 KiB of text, whatever was raised.
func TestLongMessage(t *testing.T) {
	m := start(t, Options{})
	o := m.run(t, `error(("\255"):rep(100000), 0)`)
	if n := len(o.err.Error()); n > 3*maxMessage {
		t.Errorf("length of the message: got %d, want %d or less", n, 3*maxMessage)
	}
}

// Threads are reused, unless they panicked or grew large, and few are kept.
func TestPool(t *testing.T) {
	m := start(t, Options{})
	for _, c := range []struct {
		name, source string
		want         int
	}{
		{"plain", `return 1`, 1},
		{"error", `error("oh")`, 1},
		{"panic", `crash()`, 0},
		{"big", `local function f(n) if n > 0 then return 1 + f(n - 1) end return 0 end f(900)`, 0},
	} {
		fn := m.compiled(t, c.source)
		m.turn(t, func() {
			m.regular.idle = nil
			for range 3 {
				_, _ = m.Call(nil, 0, fn)
			}
			if got := len(m.regular.idle); got != c.want {
				t.Errorf("idle threads after calls of %s: got %d, want %d", c.name, got, c.want)
			}
		})
	}
	for range 1000 {
		m.begin(t, `wait()`)
	}
	m.wake(t)
	m.turn(t, func() {
		if n := len(m.regular.idle); n > 256 {
			t.Errorf("idle threads: got %d, want 256 or less", n)
		}
		for range 10 {
			m.collect()
		}
		if n := len(m.regular.idle); n > 1 {
			t.Errorf("idle threads after 10 collections: got %d, want 1", n)
		}
	})
}

// A new thread does not keep the functions of earlier threads in memory.
func TestClearFrames(t *testing.T) {
	m := start(t, Options{})
	var held []weak.Pointer[lua.LTable]
	m.State().SetGlobal("held", m.State().NewFunction(func(L *lua.LState) int {
		held = append(held, weak.Make(L.CheckTable(1)))
		return 0
	}))
	m.run(t, `
		local function down(n)
			local mine = {}
			held(mine)
			return (function() if n > 0 then local x = down(n - 1) return mine end crash() end)()
		end
		down(50)`)
	m.turn(t, func() {
		m.regular.idle = nil
		for range 10 {
			m.regular.idle = append(m.regular.idle, m.newThread(&m.regular))
		}
		runtime.GC()
		runtime.GC()
		n := 0
		for _, pointer := range held {
			if pointer.Value() != nil {
				n++
			}
		}
		if n > 0 {
			t.Errorf("tables that are held: got %d of %d, want none", n, len(held))
		}
	})
}
