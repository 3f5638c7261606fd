package stdlib

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestTable(t *testing.T) {
	// The table library works as in Lua 5.1: lists with holes keep their elements, wrong arguments are errors.
	t.Parallel()
	examples(t, Options{}, []example{
		{`table.insert({}, 1, 2, 3)`, `error: t.lua:1: wrong number of arguments to 'insert'`},
		{`table.insert({})`, `error: t.lua:1: wrong number of arguments to 'insert'`},
		{`table.insert(nil)`, `error: t.lua:1: bad argument #1 to 'insert' (table expected, got nil)`},
		{`(function() local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) table.insert(t, 9, "x") return t[1], #t, t[9] end)()`, `0 9 "x"`},
		{`(function() local t = {1, 2} table.insert(t, 0, "z") return t[0], t[1], t[2], t[3] end)()`, `"z" nil 1 2`},
		{`(function() local t = {"a"} table.insert(t, nil) table.insert(t, 1, nil) return #t, t[1], t[2] end)()`, `2 nil "a"`},
		{`table.remove({}), table.remove({1, 2}, 0), table.remove({1, 2}, 3)`, `nil nil`},
		{`(function() local t = {1, 2, 3} return table.remove(t, 1), table.remove(t), #t, t[1] end)()`, `1 3 1 2`},
		{`(function() local t = {1, nil, 3} return table.remove(t, 1), #t, t[1], t[2] end)()`, `1 2 nil 3`},
		{`(function() local t = {1, 2, 3} t[3] = nil return table.remove(t), #t end)()`, `2 1`},
		{`table.concat({1, "b", 2.5}, ", ")`, `"1, b, 2.5"`},
		{`table.concat({}, ","), table.concat({1, 2, 3}, ",", 2), table.concat({1, 2, 3}, ",", 2, 2), table.concat({1}, ",", 3, 2)`, `"" "2,3" "2" ""`},
		{`table.concat({1, {}, 3})`, `error: t.lua:1: invalid value (table) at index 2 in table for 'concat'`},
		{`table.concat({1}, ",", 1, 1e15)`, `error: t.lua:1: invalid value (nil) at index 2 in table for 'concat'`},
		{`table.maxn({1, 2, [10] = 1, [2.5] = 1, x = 1, [-3] = 1}), table.maxn({}), table.maxn({[1e300] = 1})`, `10 0 1e+300`},
		{`(function() local t = {3, 1, 2} table.sort(t) return unpack(t) end)()`, `1 2 3`},
		{`(function() local t = {"b", "a"} table.sort(t, function(x, y) return x > y end) return unpack(t) end)()`, `"b" "a"`},
		{`table.sort({1, "x"})`, `error: t.lua:1: attempt to compare string with number`},
		{`table.sort({1, 2}, 3)`, `error: t.lua:1: bad argument #2 to 'sort' (function expected, got number)`},
		{`(function()
			local t = {3, 1, 2}
			local ok, why = pcall(table.sort, t, function() error("no", 0) end)
			return ok, why, unpack(t)
		end)()`, `false "no" 3 1 2`},
	})
}

func TestSortWithInconsistentOrder(t *testing.T) {
	// An inconsistent order function results in some order of the same values.
	t.Parallel()
	for _, order := range []string{`return true`, `return false`, `return math.random() < 0.5`, `return a <= b`, `t[1] = 0 return a < b`} {
		got := evaluate(t, newVM(t, Options{}), `(function()
			local t, sum = {}, 0
			for i = 1, 500 do t[i] = (i * 7919) % 501 end
			table.sort(t, function(a, b) `+order+` end)
			for _, v in ipairs(t) do sum = sum + v end
			return #t, sum
		end)()`)
		if want := "500 125250"; got != want {
			t.Errorf("sort with order %q: count and sum %s, want %s", order, got, want)
		}
	}
}

func TestInsertAfterNil(t *testing.T) {
	// A list that grows in front and is cut with t[#t] = nil does not grow: # would become slow otherwise.
	t.Parallel()
	L := newVM(t, Options{})
	evaluate(t, L, `(function()
		q = {1, 2, 3}
		for i = 1, 10000 do table.insert(q, 1, i) q[#q] = nil end
	end)()`)
	q := L.GetGlobal("q").(*lua.LTable)
	if got := evaluate(t, L, `#q, q[1], q[3]`); got != "3 10000 9998" {
		t.Errorf("#q, q[1], q[3] = %s, want 3 10000 9998", got)
	}
	probe := *q
	probe.Append(lua.LTrue) // fills the first nil behind the last element
	removed := 0
	for probe.Len() > 0 {
		probe.Remove(1)
		removed++
	}
	if removed > 8 {
		t.Errorf("the list of 3 holds %d places, want a few", removed)
	}
}

func TestInsertIntoFullTable(t *testing.T) {
	// A list at gopher-lua's limit refuses to grow, because it would lose elements.
	defer func(limit int) { lua.MaxArrayIndex = limit }(lua.MaxArrayIndex)
	lua.MaxArrayIndex = 100
	L := newVM(t, Options{})
	evaluate(t, L, `(function() full = {} for i = 1, 99 do table.insert(full, i) end end)()`)
	for _, expression := range []string{`table.insert(full, 100)`, `table.insert(full, 1, 0)`} {
		if got, want := evaluate(t, L, expression), "error: t.lua:1: too many elements for 'insert' (limit 99)"; got != want {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
	if got, want := evaluate(t, L, `#full, full[99]`), "99 99"; got != want {
		t.Errorf("#full, full[99] = %s, want %s", got, want)
	}
}
