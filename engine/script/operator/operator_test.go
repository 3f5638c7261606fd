package operator_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
)

// evaluate returns the value of an expression as text, or the error.
func evaluate(t *testing.T, L *lua.LState, expression string) string {
	t.Helper()
	f, err := L.Load(strings.NewReader("return "+expression), "t.lua")
	if err != nil {
		t.Fatalf("Load(%s): %v", expression, err)
	}
	L.Push(f)
	if err := L.PCall(0, 1, nil); err != nil {
		if failure, ok := errors.AsType[*lua.ApiError](err); ok {
			return "error: " + failure.Object.String()
		}
		return "error: " + err.Error()
	}
	defer L.Pop(1)
	if v := L.Get(-1); lua.LVCanConvToString(v) {
		return operator.TextOf(v)
	}
	return L.Get(-1).String()
}

// newState returns a state with the function concat, an object m and a long string big.
func newState(t *testing.T) *lua.LState {
	t.Helper()
	L := lua.NewState()
	t.Cleanup(L.Close)
	operator.Open(L, L.GetGlobal("string"))
	L.SetGlobal("concat", L.NewFunction(operator.Concat))
	err := L.DoString(`
		m = setmetatable({}, {
			__concat = function(a, b) return (a == m and "(m)" or a) .. "+" .. (b == m and "(m)" or b) end,
			__add = function(a, b) return (a == m and "(m)" or a) .. "+" .. (b == m and "(m)" or b) end,
			__sub = function(a, b) return "sub" end,
		})
		big = ("x"):rep(4 * 1024 * 1024)`)
	if err != nil {
		t.Fatal(err)
	}
	return L
}

// Strings in arithmetic are read as Lua 5.1 reads them, and metamethods of other operands are asked.
func TestArithmetic(t *testing.T) {
	t.Parallel()
	L := newState(t)
	for _, row := range [][2]string{
		{`"010" * 100`, "1000"},
		{`"0100" + 1`, "101"},
		{`"07" % "4"`, "3"},
		{`-"010"`, "-10"},
		{`"0x10" + 0`, "16"},
		{`"-7" % "3"`, "2"},
		{`7 % "-3"`, "-2"},
		{`5 % "0x2"`, "1"},
		{`"0.5" % "0.1" == 0.5 % 0.1`, "true"},
		{`"5" % (1 / 0)`, "5"},
		{`"-5" % (1 / 0)`, "inf"},
		{`"5" % "0"`, "nan"},
		{`"2" ^ " 10 "`, "1024"},
		{`10 - "1e1"`, "0"},
		{`" 7\n" / 2`, "3.5"},
		{`"1_000" + 0`, "error: t.lua:1: cannot perform arithmetic operation between string and number"},
		{`"0b11" + 0`, "error: t.lua:1: cannot perform arithmetic operation between string and number"},
		{`"10" + "x"`, "error: t.lua:1: cannot perform arithmetic operation between number and string"},
		{`2 - nil`, "error: t.lua:1: cannot perform arithmetic operation between number and nil"},
		{`"x" + m`, "x+(m)"},
		{`"1" + m`, "1+(m)"},
		{`m + "1"`, "(m)+1"},
		{`1 - m`, "sub"},
		{`0 - m`, "sub"},
		{`getmetatable("")`, "false"},
	} {
		if got := evaluate(t, L, row[0]); got != row[1] {
			t.Errorf("%s\n got %s\nwant %s", row[0], got, row[1])
		}
	}
}

// Concat works like gopher-lua's operator, up to the limit of a string and the text of fractions.
func TestConcat(t *testing.T) {
	t.Parallel()
	L := newState(t)
	for _, row := range [][2]string{
		{`concat("a", "b") == "a" .. "b"`, `true`},
		{`concat(1, 2.5, "x") == 1 .. 2.5 .. "x"`, `true`},
		{`concat(0.1 + 0.2, "|", 1 / 0)`, `0.3|inf`},
		{`concat("a", m, "b") == "a" .. m .. "b"`, `true`},
		{`concat("a", "b", m) == "a" .. "b" .. m`, `true`},
		{`concat(m, 1, 2, m, m) == m .. 1 .. 2 .. m .. m`, `true`},
		{`concat(m, m)`, `(m)+(m)`},
		{`concat("a", "b", m, "c", "d")`, `ab(m)+cd`},
		{`#concat(big, big, big, big)`, `16777216`},
		{`concat(big, big, big, big, "x")`, `error: t.lua:1: result of '..' is longer than 16777216 bytes`},
		{`concat("x", nil)`, `error: t.lua:1: cannot perform concat operation between string and nil: 2`},
		{`concat(nil, "b", "c")`, `error: t.lua:1: cannot perform concat operation between nil and string: 1`},
	} {
		if got := evaluate(t, L, row[0]); got != row[1] {
			t.Errorf("%s\n got %s\nwant %s", row[0], got, row[1])
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		number float64
		want   string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "0"},
		{-3, "-3"},
		{3.0, "3"},
		{1e15, "1000000000000000"},
		{1 << 53, "9007199254740992"},
		{-(1 << 53), "-9007199254740992"},
		{1 << 54, "1.8014398509482e+16"},
		{1e16, "1e+16"},
		{0.1 + 0.2 + 1e-17, "0.3"},
		{100.0 / 3, "33.333333333333"},
		{1e-5, "1e-05"},
		{1e100, "1e+100"},
		{123456.789, "123456.789"},
		{999999999999999.5, "1e+15"},
		{math.Inf(1), "inf"},
		{math.Inf(-1), "-inf"},
		{math.NaN(), "nan"},
	} {
		if got := operator.Text(row.number); got != row.want {
			t.Errorf("Text(%g) = %s, want %s", row.number, got, row.want)
		}
	}
}
