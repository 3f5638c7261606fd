package compile_test

import (
	"fmt"
	"strings"
	"testing"
)

// programs are Lua programs and their output.
type programs map[string]struct{ program, want string }

// Each program is correct Lua that gopher-lua 1.1.2 alone mistranslates; the comments describe its mistake.
func TestProgramsThatGopherLuaMistranslatesRunAsLuaSays(t *testing.T) {
	for _, tests := range []programs{assignments(), iterations(), jumps(), closures(), tables(), numbers()} {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				if got := run(t, test.program); got != test.want {
					t.Errorf("program %s printed %q, want %q", short(test.program), got, test.want)
				}
			})
		}
	}
}

func assignments() programs {
	return programs{
		// Prints 2 2.
		"swap": {`local a, b = 1, 2; a, b = b, a; print(a, b)`, "2\t1\n"},
		// Prints 512 1024.
		"fibonacci": {`local a, b = 0, 1; for i = 1, 10 do a, b = b, a + b end print(a, b)`, "55\t89\n"},
		// Prints 1: the new table is in a before the field is set.
		"table and its field": {`local a = {}; local b = a; a, a.x = {}, 1; print(a.x, b.x)`, "nil\t1\n"},
		// Prints a 4: the registers are counted wrongly after x.
		"global and field of a local": {`local t, x = {}, 4; g, t.a = 1, x; print(g, t.a)`, "1\t4\n"},
		"keys before values":          {`local i, t = 1, {}; i, t[i] = i + 1, 20; print(i, t[1], t[2])`, "2\t20\tnil\n"},
		"last target first":           {`local t = setmetatable({}, {__newindex = function(_, k) print(k) end}); t.a, t.b = 1, 2`, "b\na\n"},
		"more targets than values":    {`local a, b, c = 1, 2, 3; a, b, c = c; print(a, b, c)`, "3\tnil\tnil\n"},
		"more values than targets":    {`local a, b = 1, 2; a, b = b, a, print("x"); print(a, b)`, "x\n2\t1\n"},
		"values of a call":            {`local a, b, c = 1, 2, 3; a, b, c = c, (function() return a, b end)(); print(a, b, c)`, "3\t1\t2\n"},
		// Panics: the call overwrites the registers from that of the last parameter on.
		"call cut to one value": {`local function trim(s) s = (s:gsub("^%s+", "")) return s end print(trim("  x"))`, "x\n"},
		// Panics: b is lost.
		"vararg cut to one value": {`local function f(...) local a, b = 1, 2; a = (...); print(a, b) end f(3, 4)`, "3\t2\n"},
		// Not mistranslated, but they become calls, in a place where a call means something else.
		"concatenation for the last parameter": {`local function f(s, x) x = s .. x return x, s end print(f("a", "b"))`, "ab\ta\n"},
		"concatenation of all of its values":   {`local function f() return "a", "b" end print("x" .. f(), f() .. f())`, "xa\taa\n"},
		"concatenation in a list":              {`local a = "a"; print(#{a .. a, a .. a}, (a .. a) .. a .. 1 .. a)`, "2\taaa1a\n"},
		"concatenation at the end of a function": {
			`local function f(a) return a .. error end print(pcall ~= nil and pcall(f, "a") == false)`, "true\n",
		},
		// Prints 5: a false left side of "and" remains in another register.
		"and behind a field": {`local t, v = {x = false}, 5; v = t.x and 7; print(v)`, "false\n"},
		// Prints 6: w is in v before v is read.
		"and/or with the target in it":  {`local v, w = 1, 5; v = (w or v) and v + 1; print(v)`, "2\n"},
		"and/or with a closure over it": {`local v, w = 1, 5; local function f() return v end v = (w or v) and f(); print(v)`, "1\n"},
		// Prints 1: the constant, the first of the function, is taken for the first register.
		"field of a constant": {
			`local a = {}; getmetatable("").__newindex = function(_, k, v) print(k, v) end; (("abc")).x = 1; print(a.x)`, "x\t1\nnil\n",
		},
	}
}

func iterations() programs {
	return programs{
		// Fails: the results of the call are dropped.
		"call behind the iterator": {`local t = {7}; for k in next, (function() return t end)() do print(k) end`, "1\n"},
		// Prints 2 only: the loop begins with what was in the register.
		"missing control": {`do local a, b, c, d, e = 5, 6, 7, 8, 1 end for k in next, {1, 2} do print(k) end`, "1\n2\n"},
		// Fails: the argument overwrites the function.
		"call of a call": {`local function f() return pairs end for k, v in f()({7}) do print(k, v) end`, "1\t7\n"},
		"method of a call": {
			`local function f() return "a b" end for word in f():gmatch("%a") do print(word) end`, "a\nb\n",
		},
		"iterator cut to one value": {`local t = {3}; for k, v in (next), t do print(k, v) end`, "1\t3\n"},
		"vararg":                    {`local function f(...) for k, v in ... do print(k, v) end end f(next, {3})`, "1\t3\n"},
	}
}

func jumps() programs {
	return programs{
		// Prints A.
		"if false first in a loop": {`local n = 0 for _ in pairs({1, 2}) do if false then print("A") else n = n + 1 end end print(n)`, "2\n"},
		"constant condition":       {`local n = 0 for _ in pairs({1, 2}) do if not not nil then print("A") else n = n + 1 end end print(n)`, "2\n"},
		"empty branch":             {`local n = 0 for _ in pairs({1, 2}) do if true then else print("A") end n = n + 1 end print(n)`, "2\n"},
		// Ends after the first round.
		"and behind a constant": {`local n = 0 repeat local a = false and n; n = n + 1 until n > 3 print(n)`, "4\n"},
		// Ends after the first round.
		"condition with a constant": {`local n = 0 while (false and n) == false do n = n + 1 if n > 3 then break end end print(n)`, "4\n"},
		"break first":               {`local n = 0 while true do while true do n = n + 1 break end if n > 2 then break end end print(n)`, "3\n"},
		"only break":                {`for i = 1, 2 do for _ in pairs({1, 2}) do break end while 1 do break end print(i) end`, "1\n2\n"},
		"nested repeat":             {`local n = 0 repeat repeat n = n + 1 until true until n > 2 print(n)`, "3\n"},
		"empty loops":               {`for i = 1, 2 do repeat until true while false do end for _ in pairs({1}) do end print(i) end`, "1\n2\n"},
		"constants of and/or":       {`print(nil and 1, false or 2, 1 and nil, not 1 or 3, "a" and ("b" or 4), (true and select("#", 1, 2)))`, "nil\t2\tnil\t3\tb\t2\n"},
		"one value of and/or":       {`local function f() return 1, 2 end print(true and f()) print((nil or f()))`, "1\n1\n"},
	}
}

func closures() programs {
	return programs{
		// Prints 2: break leaves x open in a register that y takes.
		"break out of a block with a captured variable": {
			`local f while true do do local x = 1; f = function() return x end; break end end local y, z = 2, 3; print(f())`, "1\n",
		},
		"break in a for loop": {
			`local f = {} for i = 1, 2 do for j = 1, 2 do if j == 2 then local x = i; f[i] = function() return x end; break end end end print(f[1](), f[2]())`, "1\t2\n",
		},
		"break in repeat": {
			`local f repeat if true then local x = 3; f = function() x = x + 1; return x end; break end until false local a, b = 7, 8; print(f(), f())`, "4\t5\n",
		},
		// Calls itself without end.
		"local of the name of what it calls": {`local type = function(v) return type(v) end print(type(1))`, "number\n"},
		"local function calls itself":        {`local function f(n) return n > 2 and n or f(n + 1) end print(f(1))`, "3\n"},
	}
}

func tables() programs {
	return programs{
		// Prints 3: the result of the call is stored as an item too.
		"call in the last field": {`local t = {1, 2, x = tostring(3)} print(#t, t.x)`, "2\t3\n"},
		// Prints 3 50: the full group is stored again.
		"field behind 50 items": {"local t = {" + counted(50) + "x = tostring(3)} print(t[1], t[50], t.x, #t)", "1\t50\t3\t50\n"},
		// Prints 51: the results are stored from the first index on.
		"call behind 50 items": {
			"local t = {" + counted(50) + "(function() return 51, 52 end)()} print(t[1], t[50], t[52], #t)", "1\t50\t52\t52\n",
		},
		"vararg behind 100 items": {
			"local function f(...) return {" + counted(100) + "...} end local t = f(101, 102) print(t[1], t[51], t[100], t[102], #t)", "1\t51\t100\t102\t102\n",
		},
		"fields and a call behind 50 items": {
			"local t = {" + counted(50) + "x = 7, y = 8, (function() return 51, 52 end)()} print(t[1], t[50], t[52], t.x, t.y)", "1\t50\t52\t7\t8\n",
		},
		"fields among 101 items": {
			"local t = {" + counted(50) + "x = tostring(1)," + counted(51) + "y = tostring(2)} print(t[1], t[50], t[51], t[101], t.x, t.y, #t)",
			"1\t50\t1\t51\t1\t2\t101\n",
		},
		// Prints nil: the number of the group is lost.
		"26,000 items":             {"local t = {" + strings.Repeat("1,", 25999) + "2} print(t[25551], t[26000], #t)", "1\t2\t26000\n"},
		"25,550 items and a call":  {"local t = {" + strings.Repeat("1,", 25550) + "(function() return 2, 3 end)()} print(t[25551], t[25552], #t)", "2\t3\t25552\n"},
		"items in several lengths": {lengths(), strings.Repeat("ok\n", 12)},
	}
}

// counted returns the items 1 to n.
func counted(n int) string {
	var items strings.Builder
	for i := range n {
		fmt.Fprintf(&items, "%d, ", i+1)
	}
	return items.String()
}

// lengths returns a program that checks constructors of lengths around those of full groups.
func lengths() string {
	var program strings.Builder
	program.WriteString("local function check(t, n, x) for i = 1, n do assert(t[i] == i) end assert(#t == n and t.x == x) print('ok') end\n")
	for _, n := range []int{48, 49, 50, 51, 99, 100} {
		fmt.Fprintf(&program, "check({%s}, %d)\n", counted(n), n)
		fmt.Fprintf(&program, "check({x = 5, %s (function() return %d, %d end)()}, %d, 5)\n", counted(n), n+1, n+2, n+2)
	}
	return program.String()
}

func numbers() programs {
	return programs{
		// Prints 8: octal.
		"leading zeros": {`print(0010, 010, 08, 0x10)`, "10\t10\t8\t16\n"},
		// Prints NaN.
		"too large": {`print(1e999, -1e999, 0xfffffffffffff800 == 2^64 - 2^11, 18446744073709551616 == 2^64)`, "inf\t-inf\ttrue\ttrue\n"},
		"fractions": {`print(.5, 5., 1e3, 1E-2, 3.25e+1, 0.1)`, "0.5\t5\t1000\t0.01\t32.5\t0.1\n"},
	}
}

func TestTextThatGopherLuaMisreadsIsReadAsLuaSays(t *testing.T) {
	tests := programs{
		"byte order mark":              {"\ufeffprint(1)", "1\n"},
		"first line of a Unix program": {"#!/usr/bin/lua\nprint(1)", "1\n"},
		"both":                         {"\ufeff#!/usr/bin/lua\nprint(1)", "1\n"},
		// Refused: "invalid multiline comment".
		"comment like a long bracket": {"print(1) --[=== heading\nprint(2) --[=", "1\n2\n"},
		"long comment":                {"print(1) --[==[ ]] print(2)\n ]=] ]==] print(3)", "1\n3\n"},
		// Refused: "Invalid token".
		"form feed":     {"print(1)\f\vprint(2)", "1\n2\n"},
		"line ends":     {"print(1)\r\nprint(2)\n\rprint(3)\rprint('a\\\r\nb')", "1\n2\n3\na\nb\n"},
		"comment marks": {`print("--[[", '--', [[--]], "\"--") -- "`, "--[[\t--\t--\t\"--\n"},
		"escapes": {`print("\65\066\0677\
x\q")`, "ABC7\nxq\n"},
		"arguments of a new line": {"local s = 'x'\nprint\n{}\nlocal f = function(...) return ... end\nprint(f 'y'\n, f\n[[z]])", "table\ny\tz\n"},
		"bracket of a new line":   {"local f\n= function\n(a\n) return a end local x\n;(f or print)('y') print(f\n'z')", "z\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := run(t, test.program); !strings.HasSuffix(got, test.want) {
				t.Errorf("program %s printed %q, want %q", short(test.program), got, test.want)
			}
		})
	}
}
