package stdlib

import "testing"

func TestConcat(t *testing.T) {
	// Concat works like gopher-lua's operator, up to the limit of a string.
	t.Parallel()
	L := newVM(t, Options{})
	L.SetGlobal("concat", L.NewFunction(Concat))
	evaluate(t, L, `(function()
		m = setmetatable({}, {__concat = function(a, b)
			return (a == m and "(m)" or a) .. "+" .. (b == m and "(m)" or b)
		end})
		big = ("x"):rep(4 * 1024 * 1024)
	end)()`)
	for _, e := range []example{
		{`concat("a", "b") == "a" .. "b"`, `true`},
		{`concat(1, 2.5, "x") == 1 .. 2.5 .. "x"`, `true`},
		{`concat("a", m, "b") == "a" .. m .. "b"`, `true`},
		{`concat("a", "b", m) == "a" .. "b" .. m`, `true`},
		{`concat(m, 1, 2, m, m) == m .. 1 .. 2 .. m .. m`, `true`},
		{`concat(m, m)`, `"(m)+(m)"`},
		{`concat("a", "b", m, "c", "d")`, `"ab(m)+cd"`},
		{`#concat(big, big, big, big)`, `16777216`},
		{`concat(big, big, big, big, "x")`, `error: t.lua:1: result of '..' is longer than 16777216 bytes`},
		{`concat("x", nil)`, `error: t.lua:1: cannot perform concat operation between string and nil`},
		{`concat(nil, "b", "c")`, `error: t.lua:1: cannot perform concat operation between nil and string`},
	} {
		if got := evaluate(t, L, e.expression); got != e.want {
			t.Errorf("%s\n got %s\nwant %s", e.expression, got, e.want)
		}
	}
}
