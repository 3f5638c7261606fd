package stdlib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Concat is the operator ".." for all operands of a chain, which are its arguments. It works like gopher-lua's own,
// metamethods and errors included, but limits the result: a chain of 200 operands makes a string 200 times as long, in
// one step that cannot be interrupted.
func Concat(L *lua.LState) int {
	c := call{L: L, name: ".."}
	result := L.Get(L.GetTop())
	for left := L.GetTop() - 1; left > 0; {
		if first := c.firstText(left, result); first <= left {
			result = c.join(first, left, result)
			left = first - 1
			continue
		}
		result = c.concatWith(L.Get(left), result)
		left--
	}
	L.Push(result)
	return 1
}

// firstText returns the first operand of the unbroken run of strings and numbers that ends at left; left+1 if there is none,
// or if last is neither a string nor a number.
func (c call) firstText(left int, last lua.LValue) int {
	first := left + 1
	for lua.LVCanConvToString(last) && first > 1 && lua.LVCanConvToString(c.L.Get(first-1)) {
		first--
	}
	return first
}

// join makes one string of the operands from first to last and the tail.
func (c call) join(first, last int, tail lua.LValue) lua.LValue {
	var few [8]string
	parts, size := few[:0], 0
	for i := first; i <= last+1; i++ {
		v := tail
		if i <= last {
			v = c.L.Get(i)
		}
		part := lua.LVAsString(v)
		if len(part) > maxString-size {
			c.tooLong()
		}
		size += len(part)
		parts = append(parts, part)
	}
	return lua.LString(strings.Join(parts, ""))
}

// concatWith joins two operands by a metamethod.
func (c call) concatWith(left, right lua.LValue) lua.LValue {
	method := c.L.GetMetaField(left, "__concat")
	if method == lua.LNil {
		method = c.L.GetMetaField(right, "__concat")
	}
	if method.Type() != lua.LTFunction {
		c.raise("cannot perform concat operation between %v and %v", left.Type(), right.Type())
	}
	c.L.Push(method)
	c.L.Push(left)
	c.L.Push(right)
	c.L.Call(2, 1)
	result := c.L.Get(-1)
	c.L.Pop(1)
	return result
}
