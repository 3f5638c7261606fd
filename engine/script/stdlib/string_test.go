package stdlib

import "testing"

func TestString(t *testing.T) {
	// The string functions without patterns count bytes and do not change invalid UTF-8.
	t.Parallel()
	examples(t, Options{}, []example{
		{`("x"):upper(), ("%d!"):format(5), #("ab"):rep(3)`, `"X" "5!" 6`},
		{`string.byte("abc"), string.byte("abc", -1), string.byte("abc", 10)`, `97 99`},
		{`string.byte("abc", 1, -1)`, `97 98 99`},
		{`string.byte("abc", 0)`, ``},
		{`string.byte("")`, ``},
		{`string.char(), string.char(72, 105, 0, 255)`, `"" "Hi\x00\xff"`},
		{`string.char(256)`, `error: t.lua:1: bad argument #1 to 'char' (invalid value)`},
		{`string.char(1, -1)`, `error: t.lua:1: bad argument #2 to 'char' (invalid value)`},
		{`string.len("a\0b"), string.len(12)`, `3 2`},
		{`string.lower("ÄB\255"), string.upper("äb\255")`, `"Äb\xff" "äB\xff"`},
		{`string.reverse("abc"), string.reverse("")`, `"cba" ""`},
		{`string.rep("ab", 2.9), string.rep("ab", -1), string.rep("", 1e9), string.rep("x", "2")`, `"abab" "" "" "xx"`},
		{
			`string.sub("hello", 2, -2), string.sub("hello", -3), string.sub("hello", 4, 2), string.sub("hello", 0), string.sub("x", 9)`,
			`"ell" "llo" "" "hello" ""`,
		},
		{`string.sub("hello", 2, math.huge), string.sub("hello", -math.huge, 1)`, `"ello" "h"`},
		{`string.sub()`, `error: t.lua:1: bad argument #1 to 'sub' (string expected, got no value)`},
		{`string.sub("x")`, `error: t.lua:1: bad argument #2 to 'sub' (number expected, got no value)`},
	})
}

func TestFind(t *testing.T) {
	// find and match support all of Lua 5.1's patterns, and a faulty one is an error only if the match comes to the fault.
	t.Parallel()
	examples(t, Options{}, []example{
		{`string.find("abc", "x", 10, true), string.find("abc", "", 10), string.find("", "")`, `nil 4 1 0`},
		{`string.find("abc", "b", -2), string.find("abc", "", 2)`, `2 2 1`},
		{`string.find("a.c", ".", 2, true), string.find("a.c", "%.")`, `2 2 2`},
		{`string.find("a)", ")"), string.find("a]", "]")`, `2 2 2`},
		{`string.match("a)", ")")`, `error: t.lua:1: invalid pattern capture`},
		{`string.find("key=val", "(%w+)=(%w*)")`, `1 7 "key" "val"`},
		{`string.find("abc", "()b()")`, `2 2 2 3`},
		{`tostring(string.match("abc", "x"))`, `"nil"`},
		{`string.match("  trim  ", "^%s*(.-)%s*$")`, `"trim"`},
		{`string.match("2026-11-05", "(%d+)-(%d+)-(%d+)")`, `"2026" "11" "05"`},
		{`string.match("THE (quick) fox", "%f[%a]%a+%f[%A]", 5)`, `"quick"`},
		{`string.find("THE END", "%f[%z]")`, `8 7`},
		{`string.match("f(a(b)c)d", "%b()"), string.match("xaxbx", "%bxx")`, `"(a(b)c)" "xax"`},
		{`string.match([[say "it's"]], "(['\"])(.-)%1")`, `"\"" "it's"`},
		{`string.match("ab", "()%1")`, `nil`},
		{
			`string.match("[]]", "[]]+"), string.match("a-z", "[a-]+"), string.match("^x", "[x^]+"), string.match("a]", "[^]]")`,
			`"]]" "a-" "^x" "a"`,
		},
		{`string.match("5%", "[a-%%]")`, `nil`},
		{`string.match("x]", "[a-%%]")`, `"]"`},
		{`string.match("a\0b", "a%zb"), string.match("a\0b", "a\0b")`, `"a\x00b" "a\x00b"`},
		{`string.match("aaa", "a-"), string.match("aaab", "a-b"), string.match("aaa", "a?a?a?a?")`, `"" "aaab" "aaa"`},
		{`string.match("a$b", "a$b"), string.match("ab", "b$"), string.match("a^b", "a^b")`, `"a$b" "b" "a^b"`},
		{`string.match("abcdefghij", ("(.)"):rep(10))`, `"a" "b" "c" "d" "e" "f" "g" "h" "i" "j"`},
		{`string.find("a", "[a")`, `error: t.lua:1: malformed pattern (missing ']')`},
		{`string.find("a", "[%")`, `error: t.lua:1: malformed pattern (missing ']')`},
		{`string.find("a", "[")`, `error: t.lua:1: malformed pattern (missing ']')`},
		{`string.find("a", "[^")`, `error: t.lua:1: malformed pattern (missing ']')`},
		{`string.find("a", "a%")`, `error: t.lua:1: malformed pattern (ends with '%')`},
		{`string.find("b", "a[")`, `nil`},
		{`string.find("a", "(a")`, `error: t.lua:1: unfinished capture`},
		{`string.find("a", "%f")`, `error: t.lua:1: missing '[' after '%f' in pattern`},
		{`string.find("a", "%bx")`, `error: t.lua:1: unbalanced pattern`},
		{`string.find("a", "%1")`, `error: t.lua:1: invalid capture index`},
		{`string.find("a", "%0")`, `error: t.lua:1: invalid capture index`},
		{`string.find("a", "(%1)")`, `error: t.lua:1: invalid capture index`},
		{`string.find("a", ("()"):rep(33))`, `error: t.lua:1: too many captures`},
		{`string.find("a", ("a?"):rep(20000))`, `error: t.lua:1: pattern too complex`},
		{`string.find("a", {})`, `error: t.lua:1: bad argument #2 to 'find' (string expected, got table)`},
	})
}

func TestGsub(t *testing.T) {
	// gsub accepts strings, tables and functions, and does not catch their errors.
	t.Parallel()
	examples(t, Options{}, []example{
		{`string.gsub("hello world", "o", "0")`, `"hell0 w0rld" 2`},
		{`string.gsub("hello", "", "-")`, `"-h-e-l-l-o-" 6`},
		{`string.gsub("abc", "%w*", "x")`, `"xx" 2`},
		{`string.gsub("abc", "b*", "x")`, `"xaxxcx" 4`},
		{`string.gsub("hello", "l", "L", 1)`, `"heLlo" 1`},
		{`string.gsub("hello", "l", "L", 0)`, `"hello" 0`},
		{`string.gsub("hello", "^l", "L")`, `"hello" 0`},
		{`string.gsub("aaa", "^a", "b")`, `"baa" 1`},
		{`string.gsub("a b", "(%w) (%w)", "%2 %1 %0 %%")`, `"b a a b %" 1`},
		{`string.gsub("ab", "()", "%1")`, `"1a2b3" 3`},
		{`string.gsub("a", "a", "%1%.%")`, `"a.\x00" 1`},
		{`string.gsub("a", "a", "%2")`, `error: t.lua:1: invalid capture index`},
		{`string.gsub("a", "(a", "x")`, `"x" 1`},
		{`string.gsub("a", "(a", "%1")`, `error: t.lua:1: unfinished capture`},
		{`string.gsub("a1", "%d", 7)`, `"a7" 1`},
		{`string.gsub("$name is $age", "%$(%w+)", {name = "Ann", age = 7})`, `"Ann is 7" 2`},
		{`string.gsub("a b", "%w", setmetatable({}, {__index = function(_, k) return k .. k end}))`, `"aa bb" 2`},
		{`string.gsub("a b", "%w", {a = false})`, `"a b" 2`},
		{`string.gsub("abc", "(.)()", function(c, at) return c .. at end)`, `"a2b3c4" 3`},
		{`string.gsub("abc", ".", function() end)`, `"abc" 3`},
		{`string.gsub("abc", "%w", function(c) return (c:gsub(".", function(d) return d:rep(2) end)) end)`, `"aabbcc" 3`},
		{`string.gsub("a", "a", function() return {} end)`, `error: t.lua:1: invalid replacement value (a table)`},
		{`string.gsub("a", "a", function() error("inside", 0) end)`, `error: inside`},
		{`string.gsub("a", "a", true)`, `error: t.lua:1: bad argument #3 to 'gsub' (string/function/table expected)`},
		{`string.gsub("a", "a")`, `error: t.lua:1: bad argument #3 to 'gsub' (string/function/table expected)`},
		{`(string.gsub("<a & b>", "[&<>\"']", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"}))`, `"&lt;a &amp; b&gt;"`},
	})
}

func TestGmatch(t *testing.T) {
	// gmatch's function needs no arguments and returns each match once.
	t.Parallel()
	examples(t, Options{}, []example{
		{`(function() local s = "" for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do s = s .. k .. v end return s end)()`, `"a1b2"`},
		{`(function() local next = string.gmatch("ab", ".") return next(), next(), next(), next() end)()`, `"a" "b" nil`},
		{`(function() local s = "" for at in string.gmatch("abc", "()") do s = s .. at end return s end)()`, `"1234"`},
		{`(function() local s = "" for w in string.gmatch("^a^b", "^%w") do s = s .. w end return s end)()`, `"^a^b"`},
		{`(function()
			local s = ""
			for a in string.gmatch("ab", ".") do for b in string.gmatch("xy", ".") do s = s .. a .. b end end
			return s
		end)()`, `"axaybxby"`},
		{`string.gmatch("a", "%")()`, `error: t.lua:1: malformed pattern (ends with '%')`},
	})
}

func TestFormat(t *testing.T) {
	// format follows C's printf, byte by byte.
	t.Parallel()
	examples(t, Options{}, []example{
		{`string.format("%d %i %u %c %x %X %o", 3.9, -3.9, 7, 65, 255, 255, 8)`, `"3 -3 7 A ff FF 10"`},
		{`string.format("%5d|%-5d|%05d|%+d|% d|%.3d|%5.3d", 42, 42, 42, 42, 42, 42, 42)`, `"   42|42   |00042|+42| 42|042|  042"`},
		{`string.format("%#x %#X %#o %#x %x", 255, 255, 8, 0, -1)`, `"0xff 0XFF 010 0 ffffffffffffffff"`},
		{`string.format("%e %E %f %g %G", 12345.678, 0, 1/3, 1e20, 1e-10)`, `"1.234568e+04 0.000000E+00 0.333333 1e+20 1E-10"`},
		{
			`string.format("%.0f %.3f %8.2f|%-8.2f|%08.2f|%+.1e|%#.3g", 2.5, 1, 3.14159, 3.14159, -3.14159, 1, 1)`,
			`"2 1.000     3.14|3.14    |-0003.14|+1.0e+00|1.00"`,
		},
		{`string.format("%f %g %E %5.1f|%-6f|%06f|%+f|% g", 1/0, -1/0, 1/0, 0/0, 1/0, 1/0, 1/0, 1/0)`, `"inf -inf INF   nan|inf   |   inf|+inf| inf"`},
		{`string.format("%s %10s|%-10s|%.2s|%5.1s|%05s", "a", "b", "c", "def", "ghi", "z")`, `"a          b|c         |de|    g|    z"`},
		{`string.format("%s %s", 1, 0.5)`, `"1 0.5"`},
		{`string.format("%5s|%-5s|%.1s", "äö", "äö", "ä")`, `" äö|äö |\xc3"`},
		{`string.format("%q", "a\"b\\c\nd\re\0f")`, `"\"a\\\"b\\\\c\\\nd\\re\\000f\""`},
		{`string.format("%s", ("x"):rep(200)) == ("x"):rep(200)`, `true`},
		{`string.format("100%%"), string.format("%%%d%%", 1), string.format("")`, `"100%" "%1%" ""`},
		{`string.format("%c%c", 0, 256 + 65)`, `"\x00A"`},
		{`string.format("%d", "0x10"), string.format("%d", 2^53), string.format("%d", 1e300)`, `"16" "9007199254740992" "9223372036854775807"`},
		{`string.format("%d")`, `error: t.lua:1: bad argument #2 to 'format' (no value)`},
		{`string.format("%d %d", 1)`, `error: t.lua:1: bad argument #3 to 'format' (no value)`},
		{`string.format("%d", "x")`, `error: t.lua:1: bad argument #2 to 'format' (number expected, got string)`},
		{`string.format("%d", {})`, `error: t.lua:1: bad argument #2 to 'format' (number expected, got table)`},
		{`string.format("%s", nil)`, `error: t.lua:1: bad argument #2 to 'format' (string expected, got nil)`},
		{`string.format("%y", 1)`, `error: t.lua:1: invalid option '%y' to 'format'`},
		{`string.format("%5%", 1)`, `error: t.lua:1: invalid option '%%' to 'format'`},
		{`string.format("50%", 1)`, `error: t.lua:1: invalid option '%' to 'format'`},
		{`string.format("%123d", 1)`, `error: t.lua:1: invalid format (width or precision too long)`},
		{`string.format("%.123d", 1)`, `error: t.lua:1: invalid format (width or precision too long)`},
		{`string.format("%------d", 1)`, `error: t.lua:1: invalid format (repeated flags)`},
		{`#string.format("%99.99f", 1e308)`, `409`},
	})
}
