package stdlib

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib/pattern"
)

// call is one call of a library function: the thread, whose stack holds the arguments, and the name for errors. If an
// argument is wrong, its methods raise a Lua error and do not return.
type call struct {
	L    *lua.LState
	name string
}

// raise ends the call with an error that begins with the caller's position. It never returns; its result allows
// `return c.raise(...)`.
func (c call) raise(format string, args ...any) int {
	pattern.Raise(c.L, fmt.Sprintf(format, args...))
	return 0
}

// budget makes a call that may take long cancellable.
func (c call) budget() pattern.Budget { return pattern.NewBudget(c.L) }

// argument ends the call with an error about its n-th argument.
func (c call) argument(n int, text string) int {
	return c.raise("bad argument #%d to '%s' (%s)", n, c.name, text)
}

func (c call) wrongType(n int, want string) {
	got := "no value"
	if n <= c.L.GetTop() {
		got = c.L.Get(n).Type().String()
	}
	c.argument(n, want+" expected, got "+got)
}

// value returns an argument that must be present; it may be nil.
func (c call) value(n int) lua.LValue {
	if n > c.L.GetTop() {
		c.argument(n, "value expected")
	}
	return c.L.Get(n)
}

// table returns the first argument, which must be a table.
func (c call) table() *lua.LTable {
	t, ok := c.L.Get(1).(*lua.LTable)
	if !ok {
		c.wrongType(1, "table")
	}
	return t
}

// ownTable returns the first argument, which must be a table that scripts may change as a list.
func (c call) ownTable() *lua.LTable {
	t := c.table()
	if s, ok := sharedBy(t); ok {
		c.raise("'%s' cannot change %s, since all scripts share it", c.name, s.Name)
	}
	return t
}

// text returns a string argument; numbers count as strings, as everywhere in Lua.
func (c call) text(n int) string {
	switch v := c.L.Get(n).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return operator.Text(float64(v))
	}
	c.wrongType(n, "string")
	return ""
}

func (c call) optText(n int, otherwise string) string {
	if c.L.Get(n) == lua.LNil {
		return otherwise
	}
	return c.text(n)
}

// number returns a number argument; strings that look like numbers count.
func (c call) number(n int) float64 {
	f, ok := operator.Number(c.L.Get(n))
	if !ok {
		c.wrongType(n, "number")
	}
	return f
}

// integer returns a number argument without its fraction, for counting and indexing: at most 2^53 away from 0, so that
// adding to it does not overflow. NaN becomes 0.
func (c call) integer(n int) int {
	const most = 1 << 53
	f := c.number(n)
	if f != f {
		return 0
	}
	return int(math.Max(-most, math.Min(f, most)))
}

func (c call) optInteger(n, otherwise int) int {
	if c.L.Get(n) == lua.LNil {
		return otherwise
	}
	return c.integer(n)
}

// push pushes one value and returns 1.
func (c call) push(v lua.LValue) int {
	c.L.Push(v)
	return 1
}

// result pushes a string and returns 1.
func (c call) result(s string) int { return c.push(lua.LString(s)) }

// numbers pushes numbers and returns their count.
func (c call) numbers(f ...float64) int {
	for _, v := range f {
		c.L.Push(lua.LNumber(v))
	}
	return len(f)
}

// output is a string under construction that never exceeds maxString.
type output struct {
	call

	bytes []byte
}

// checkSize raises an error if n more bytes would be too many.
func (o *output) checkSize(n int) {
	if n > maxString-len(o.bytes) {
		o.tooLong()
	}
}

func (o *output) add(s string) {
	o.checkSize(len(s))
	o.bytes = append(o.bytes, s...)
}

func (o *output) addByte(b byte) {
	o.checkSize(1)
	o.bytes = append(o.bytes, b)
}

// tooLong ends a call whose result would exceed maxString.
func (c call) tooLong() int {
	return c.raise("result of '%s' is longer than %d bytes", c.name, maxString)
}
