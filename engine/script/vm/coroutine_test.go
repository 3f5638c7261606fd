package vm

import (
	"errors"
	"runtime"
	"runtime/debug"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// Coroutines behave like those of Lua 5.1.
func TestCoroutines(t *testing.T) {
	m := start(t, Options{})
	runAll(t, m, []script{
		{"exchange", `
			local co = coroutine.create(function(a, b)
				local c = coroutine.yield(a + b)
				local d, e = coroutine.yield(c * 2)
				return d .. e
			end)
			local _, x = coroutine.resume(co, 1, 2)
			local _, y = coroutine.resume(co, 10)
			local _, z = coroutine.resume(co, "d", "e")
			return x .. " " .. y .. " " .. z .. " " .. coroutine.status(co)`, "3 20 de dead"},
		{"counts", `
			local co = coroutine.create(function(...)
				local n = select("#", ...)
				n = n .. select("#", coroutine.yield(nil, nil))
				return n
			end)
			local n = select("#", coroutine.resume(co, nil, nil, nil))
			return n .. select(2, coroutine.resume(co))`, "330"},
		{"type", `local co = coroutine.create(print) return type(co) .. tostring(co):match("^thread: ")`, "threadthread: "},
		{"key", `local co, t = coroutine.create(function() end), {} t[co] = "found" coroutine.resume(co) return t[co]`, "found"},
		{"wrap", `local s = "" for x in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do s = s .. x end return s`, "123"},
		{"Go body", `return coroutine.wrap(math.max)(1, 5, 3)`, "5"},
		{"error", "\nlocal ok, e = coroutine.resume(coroutine.create(function()\nerror('oh') end)) return tostring(ok) .. e", "falsetest.lua:3: oh"},
		{"error value", `local v = {} local _, e = coroutine.resume(coroutine.create(error), v) return e == v`, "true"},
		{"error of wrap", "\ncoroutine.wrap(function()\nerror('oh') end)()", "error: test.lua:3: oh"},
		{"error of a Go body", "\nlocal _, e = coroutine.resume(coroutine.create(string.rep)) return e", "test.lua:2: bad argument #1 to 'rep' (string expected, got no value)"},
		{"error of a wrapped Go body", "\ncoroutine.wrap(string.rep)()", "error: test.lua:2: bad argument #1 to 'rep' (string expected, got no value)"},
		{"Go panic", "\nlocal _, e = coroutine.resume(coroutine.create(function() crash() end)) return e", "test.lua:2: internal error"},
		{"dead", `local co = coroutine.create(function() end) coroutine.resume(co) local ok, e = coroutine.resume(co) return tostring(ok) .. " " .. e`, "false cannot resume dead coroutine"},
		{"dead wrap", "local f = coroutine.wrap(function() end) f()\nf()", "error: test.lua:2: cannot resume dead coroutine"},
		{"itself", `local co co = coroutine.create(function() return coroutine.resume(co) end) return select(3, coroutine.resume(co))`, "cannot resume running coroutine"},
		{"no coroutine", `coroutine.resume(1)`, "error: test.lua:1: bad argument #1 to 'resume' (coroutine expected, got number)"},
		{"no function", `coroutine.create(1)`, "error: test.lua:1: bad argument #1 to 'create' (function expected, got number)"},
		{"yield outside", "\ncoroutine.yield()", "error: test.lua:2: attempt to yield from outside a coroutine"},
		{"yield in a call within", `
			local co = coroutine.create(function() call("inner", coroutine.yield) end)
			return select(2, coroutine.resume(co))`, "test.lua:2: attempt to yield from outside a coroutine"},
		{"status", `
			local words = {}
			local outer
			outer = coroutine.create(function()
				words[#words + 1] = coroutine.status(outer)
				coroutine.wrap(function() words[#words + 1] = coroutine.status(outer) end)()
				pcall(function() words[#words + 1] = coroutine.status(outer) end)
				coroutine.yield()
			end)
			words[#words + 1] = coroutine.status(outer)
			coroutine.resume(outer)
			words[#words + 1] = coroutine.status(outer)
			coroutine.resume(outer)
			words[#words + 1] = coroutine.status(outer)
			return table.concat(words, " ")`, "suspended running normal running suspended dead"},
		{"running", `
			local co
			co = coroutine.create(function() return coroutine.running() == co and select(2, pcall(coroutine.running)) == co end)
			return tostring(coroutine.running()) .. tostring(select(2, coroutine.resume(co)))`, "niltrue"},
		{"caller", `
			local co = coroutine.wrap(function() while true do coroutine.yield(caller()) end end)
			return co() .. call("inner", co) .. select(2, pcall(co))`, "callinnercall"},
	})
}

// A coroutine can yield anywhere: below pcall, metamethods, iterators and Go functions.
func TestYieldAnywhere(t *testing.T) {
	m := start(t, Options{})
	for _, s := range []script{
		{name: "pcall", source: `select(2, pcall(yield, "out"))`},
		{name: "xpcall", source: `select(2, xpcall(yield, error, "out"))`},
		{name: "handler", source: `select(2, xpcall(error, function() return yield("out") end))`},
		{name: "pcall of pcall", source: `select(3, pcall(pcall, yield, "out"))`},
		{name: "index", source: `setmetatable({}, {__index = function() return yield("out") end}).x`},
		{name: "arithmetic", source: `setmetatable({}, {__add = function() return yield("out") end}) + 1`},
		{name: "comparison", source: `(function() local t = setmetatable({}, {__lt = function() return yield("out") == "in" end}) return t < t and "in" end)()`},
		{name: "iterator", source: `(function() for x in function() return yield("out") end do return x end end)()`},
		{name: "gsub", source: `(("x"):gsub("x", function() return yield("out") end))`},
		{name: "sort", source: `(function() local r table.sort({1, 2}, function() r = r or yield("out") return false end) return r end)()`},
		{name: "tostring", source: `tostring(setmetatable({}, {__tostring = function() return yield("out") end}))`},
	} {
		t.Run(s.name, func(t *testing.T) {
			source := `local yield = coroutine.yield
				local f = coroutine.wrap(function() return ` + s.source + ` end)
				return f() .. " " .. f("in")`
			if o := m.run(t, source); o.String() != "out in" {
				t.Errorf("%s: got %v, want out in", s.source, o)
			}
		})
	}
}

// A coroutine outlives the call that made it. Another call can resume it, and is then its caller.
func TestCoroutineOutlives(t *testing.T) {
	m := start(t, Options{})
	m.run(t, `kept = coroutine.wrap(function()
		local ok, x = pcall(function() return coroutine.yield() end)
		return x .. caller()
	end) kept()`)
	runtime.GC()
	m.turn(t, func() { m.collect() })
	var o outcome
	m.turn(t, func() {
		value, err := m.Call("later", 0, m.State().GetGlobal("kept"), lua.LString("much "))
		o = outcome{value.String(), err}
	})
	if o.String() != "much later" {
		t.Errorf("resumed in another call: got %v, want much later", o)
	}
}

// Coroutines that no script can reach are released, with what they refer to; suspended ones that can be reached are not.
func TestUnreachableCoroutines(t *testing.T) {
	m := start(t, Options{})
	// Left to itself the collector may be in time; that there is room must not depend on it.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := runtime.NumGoroutine()
	o := m.run(t, `
		local function numbers() for i = 1, 10 do coroutine.yield(i) end end
		keep = coroutine.wrap(numbers)
		keep()
		for i = 1, 6000 do
			for x in coroutine.wrap(numbers) do break end
			pcall(coroutine.wrap(function() pcall(numbers) end))
		end
		return keep()`)
	if o.String() != "2" {
		t.Errorf("12000 coroutines, one at a time: got %v, want 2", o)
	}
	m.turn(t, func() {
		m.collect()
		if n := len(m.coroutines.live); n > 10 {
			t.Errorf("coroutines after a collection: got %d, want 1", n)
		}
	})
	if n := runtime.NumGoroutine() - before; n > 20 {
		t.Errorf("goroutines: %d more, want 1", n)
	}
	if o := m.run(t, `return keep()`); o.String() != "3" {
		t.Errorf("the one that was kept: got %v, want 3", o)
	}
}

// Too many coroutines are an error. Once some have ended or cannot be reached, others can begin.
func TestTooManyCoroutines(t *testing.T) {
	m := start(t, Options{})
	o := m.run(t, `
		all = {}
		while true do
			local co = coroutine.create(coroutine.yield)
			local ok, e = coroutine.resume(co)
			if not ok then return #all .. " " .. e end
			all[#all + 1] = co
		end`)
	if want := "10000 test.lua:5: too many coroutines"; o.String() != want {
		t.Errorf("coroutines without end: got %v, want %s", o, want)
	}
	if o := m.run(t, `for i = 1, 5000 do coroutine.resume(all[i]) all[i] = nil end return coroutine.wrap(function() return "room" end)()`); o.String() != "room" {
		t.Errorf("after 5000 were over: got %v, want room", o)
	}
	m.run(t, `all = nil`)
	m.turn(t, func() { m.collect() })
	if n := len(m.coroutines.live); n > 10 {
		t.Errorf("coroutines after all were out of reach: got %d, want none", n)
	}
}

// A coroutine does not keep the values that were passed through it.
func TestCoroutineKeepsNoValues(t *testing.T) {
	m := start(t, Options{})
	m.run(t, `kept = coroutine.create(function() while true do coroutine.yield({}) end end) coroutine.resume(kept, {})`)
	m.turn(t, func() {
		co := coroutineOf(m.State().GetGlobal("kept").(*lua.LState))
		for _, value := range co.values[:cap(co.values)] {
			if value != nil {
				t.Errorf("values after they were passed: got %v, want none", value)
			}
		}
	})
}

// Close during a call spares the coroutines that run.
func TestCloseWithin(t *testing.T) {
	m := start(t, Options{})
	m.State().SetGlobal("close", m.State().NewFunction(func(*lua.LState) int {
		m.Close()
		return 0
	}))
	o := m.run(t, `
		local other = coroutine.wrap(coroutine.yield)
		other()
		local s = coroutine.wrap(function() return coroutine.wrap(function() close() return "goes on" end)() end)()
		return s .. ", " .. select(2, pcall(other))`)
	if want := "goes on, test.lua:5: cannot resume dead coroutine"; o.String() != want {
		t.Errorf("a call that closes: got %v, want %s", o, want)
	}
}

// Close ends the remaining coroutines. Later calls fail.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	m := start(t, Options{})
	m.run(t, `kept = {} for i = 1, 100 do
		kept[i] = coroutine.wrap(function() pcall(coroutine.yield) say("went on") end)
		kept[i]()
	end`)
	m.stop()
	if n := runtime.NumGoroutine() - before; n > 10 {
		t.Errorf("goroutines after Close: %d more, want none", n)
	}
	if len(m.said) > 0 {
		t.Errorf("coroutines that were ended said %q", m.said)
	}
	if _, err := m.Call(nil, 0, m.compiled(t, `return 1`)); !errors.Is(err, ErrClosed) {
		t.Errorf("Call after Close = %v, want %v", err, ErrClosed)
	}
}
