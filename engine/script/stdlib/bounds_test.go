package stdlib

import (
	"context"
	"errors"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// tripping is a context that ends after a number of checks. The VM checks Done, which is never closed here, so only the
// library can notice.
type tripping struct {
	context.Context

	checks int
}

var errTripped = errors.New("time limit")

func (c *tripping) Err() error {
	if c.checks--; c.checks < 0 {
		return errTripped
	}
	return nil
}

// trip makes the context of L end after a number of checks.
func trip(tb testing.TB, L *lua.LState, checks int) *tripping {
	tb.Helper()
	c := &tripping{Context: tb.Context(), checks: checks}
	L.SetContext(c)
	return c
}

func TestBounds(t *testing.T) {
	// Each of these would exhaust the memory, or overflow the stack of values; the error names function and limit.
	t.Parallel()
	examples(t, Options{}, []example{
		{`#string.rep("x", 16 * 1024 * 1024)`, `16777216`},
		{`string.rep("x", 16 * 1024 * 1024 + 1)`, `error: t.lua:1: result of 'rep' is longer than 16777216 bytes`},
		{`string.rep("abc", math.huge)`, `error: t.lua:1: result of 'rep' is longer than 16777216 bytes`},
		{`("x"):rep(1e15)`, `error: t.lua:1: result of 'rep' is longer than 16777216 bytes`},
		{
			`string.format(("%s"):rep(40), unpack((function() local t, s = {}, ("x"):rep(1e6) for i = 1, 40 do t[i] = s end return t end)()))`,
			`error: t.lua:1: result of 'format' is longer than 16777216 bytes`,
		},
		{`string.format("%s%99d", ("x"):rep(16 * 1024 * 1024), 1)`, `error: t.lua:1: result of 'format' is longer than 16777216 bytes`},
		{`string.gsub(("x"):rep(1e6), "x", ("y"):rep(1e6))`, `error: t.lua:1: result of 'gsub' is longer than 16777216 bytes`},
		{`string.gsub(("x"):rep(1e6), "x*", ("%0"):rep(100))`, `error: t.lua:1: result of 'gsub' is longer than 16777216 bytes`},
		{`string.gsub(("x"):rep(1e4), "x", function() return ("y"):rep(1e6) end)`, `error: t.lua:1: result of 'gsub' is longer than 16777216 bytes`},
		{`string.gsub(("x"):rep(1e4), "x", {x = ("y"):rep(1e6)})`, `error: t.lua:1: result of 'gsub' is longer than 16777216 bytes`},
		{`table.concat({1, 2, 3}, ("x"):rep(1e7))`, `error: t.lua:1: result of 'concat' is longer than 16777216 bytes`},
		{`(function() local s = ("x"):rep(1e7) print(s, s) end)()`, `error: t.lua:1: result of 'print' is longer than 16777216 bytes`},
		{`os.date(("x"):rep(16 * 1024 * 1024) .. "%c")`, `error: t.lua:1: result of 'date' is longer than 16777216 bytes`},
		{`select("#", unpack({}, 1, 4096)), select("#", unpack({}, -4095, 0))`, `4096 4096`},
		{`unpack({}, 1, 4097)`, `error: t.lua:1: too many results of 'unpack' (limit 4096)`},
		{`unpack({}, -math.huge, math.huge)`, `error: t.lua:1: too many results of 'unpack' (limit 4096)`},
		{`select("#", string.byte(("x"):rep(4096), 1, -1))`, `4096`},
		{`string.byte(("x"):rep(1e6), 1, -1)`, `error: t.lua:1: too many results of 'byte' (limit 4096)`},
		{`string.char(1, string.byte(("x"):rep(4096), 1, -1))`, `error: t.lua:1: too many arguments to 'char' (limit 4096)`},
		{`select(2, 1, 2, string.byte(("x"):rep(4096), 1, -1))`, `error: t.lua:1: too many results of 'select' (limit 4096)`},
	})
}

func TestInterrupts(t *testing.T) {
	// Each of these would run for minutes or forever; the limit of the turn ends it.
	t.Parallel()
	for _, expression := range []string{ // in each, big is a list of 5,000 numbers
		`string.find(("a"):rep(30), ("a?"):rep(30) .. ("a"):rep(30))`,
		`string.find(("a"):rep(10000), (".-"):rep(20) .. "b")`,
		`string.match(("a"):rep(10000), ("a*"):rep(20) .. "b")`,
		`string.gsub(("a"):rep(10000), ("[ab]-"):rep(20) .. "$", "x")`,
		`string.gmatch(("a"):rep(10000), ("(.-)"):rep(20) .. "b")()`,
		`string.find(("("):rep(1e5), "%b()")`,
		`string.find(("ab"):rep(1e5), "(.+)%1%1%1c")`,
		`string.find((" "):rep(1e5) .. "x", "%s+$")`,
		`string.find(("a"):rep(1e6), ("a"):rep(1e5) .. ".*b")`,
		`table.insert({}, -1e15, 1)`,
		`table.sort(big, rawequal)`,
		`table.sort(big)`,
		`table.concat(big)`,
		`table.maxn(big)`,
		`string.format(("%d"):rep(4000), unpack(big, 1, 4000))`,
		`os.date(("%d"):rep(1e4))`,
	} {
		L := newVM(t, Options{})
		evaluate(t, L, `(function() big = {} for i = 1, 5000 do big[i] = i * 7919 % 5003 end end)()`)
		trip(t, L, 1)
		if got, want := evaluate(t, L, expression), "error: t.lua:1: time limit"; got != want {
			t.Errorf("%s with a limit tripped: %s, want %s", expression, got, want)
		}
	}
}

func TestStepsAreLinear(t *testing.T) {
	// Plain work on a long subject takes few steps, so it is neither slow nor interrupted: the context is checked every 1,000
	// steps, and the subject has thousands of matches.
	t.Parallel()
	for _, c := range []struct {
		expression string
		checks     int
	}{
		{`(string.gsub(text, "[&<>\"']", {["<"] = "&lt;"}))`, 100},
		{`(string.gsub(text, "%w+", "%0"))`, 200},
		{`string.find(text, "nothing of the kind")`, 10},
		{`string.find(text, "z$")`, 10},
		{`string.match(text, "^(.*)$")`, 50},
		{`string.match(text, "^%s*(.-)%s*$")`, 500},
		{`table.concat({string.byte(text, 1, 4000)}, ",")`, 10},
	} {
		L := newVM(t, Options{})
		evaluate(t, L, `(function() text = ("<b>bold</b> & more "):rep(5000) end)()`)
		limit := trip(t, L, c.checks)
		if got := evaluate(t, L, c.expression); limit.checks < 0 {
			t.Errorf("%s checked more than %d times: %.80s", c.expression, c.checks, got)
		}
	}
}

func TestNoContext(t *testing.T) {
	// Without a context nothing is checked.
	t.Parallel()
	L := newVM(t, Options{})
	if got, want := evaluate(t, L, `#string.gsub(("a"):rep(5000), "a", "bb")`), "10000"; got != want {
		t.Errorf("gsub without a context: %s, want %s", got, want)
	}
}

func TestDeepSubject(t *testing.T) {
	// The matcher's stack does not grow with the subject, nor the Go stack with the pattern.
	t.Parallel()
	examples(t, Options{}, []example{
		{`#string.match(("ab"):rep(2e5), "^[ab]-$")`, `400000`},
		{`string.find(("a"):rep(3000), ("a?"):rep(3000) .. "$")`, `1 3000`},
		{`string.find(("()"):rep(1e5) .. "x", "%b()x")`, `199999 200001`},
	})
}

func TestErrorLeavesLibraryUsable(t *testing.T) {
	// An error inside a callback does not harm the buffers and matchers of later calls.
	t.Parallel()
	L := newVM(t, Options{})
	for range 3 {
		evaluate(t, L, `pcall(string.gsub, "aaa", "a", function() string.gsub("b", "b", function() error("x") end) end)`)
		evaluate(t, L, `pcall(string.format, "%d %d", 1)`)
	}
	got := evaluate(t, L, `string.gsub("abc", "%w", function(c) return string.format("<%s>", c) .. table.concat({c, c}) end)`)
	if want := `"<a>aa<b>bb<c>cc" 3`; got != want {
		t.Errorf("gsub after errors in callbacks: %s, want %s", got, want)
	}
}
