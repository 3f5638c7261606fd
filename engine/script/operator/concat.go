package operator

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// MaxString is the maximum of bytes of a string that a script makes.
const MaxString = 16 << 20

// Concat is the operator ".." for all operands of a chain, which are its arguments. It works like gopher-lua's own,
// metamethods and errors included, but writes numbers as Lua does and limits the result: a chain of 200 operands makes a
// string 200 times as long, in one step that cannot be interrupted.
func Concat(L *lua.LState) int {
	top := L.GetTop()
	result := L.Get(top)
	if first := L.Get(1); top == 2 && lua.LVCanConvToString(first) && lua.LVCanConvToString(result) { // by far the most
		left, right := TextOf(first), TextOf(result)
		checkLength(L, len(left), len(right))
		L.Push(lua.LString(left + right))
		return 1
	}
	for left := top - 1; left > 0; {
		if first := firstText(L, left, result); first <= left {
			result = join(L, first, left, result)
			left = first - 1
			continue
		}
		result = concatWith(L, left, result)
		left--
	}
	L.Push(result)
	return 1
}

// firstText returns the first operand of the unbroken run of strings and numbers that ends at left; left+1 if there is none,
// or if last is neither a string nor a number.
func firstText(L *lua.LState, left int, last lua.LValue) int {
	first := left + 1
	for lua.LVCanConvToString(last) && first > 1 && lua.LVCanConvToString(L.Get(first-1)) {
		first--
	}
	return first
}

// join makes one string of the operands from first to last and the tail.
func join(L *lua.LState, first, last int, tail lua.LValue) lua.LValue {
	var few [8]string
	parts, size := few[:0], 0
	for i := first; i <= last+1; i++ {
		v := tail
		if i <= last {
			v = L.Get(i)
		}
		part := TextOf(v)
		checkLength(L, size, len(part))
		size += len(part)
		parts = append(parts, part)
	}
	return lua.LString(strings.Join(parts, ""))
}

// checkLength raises an error if a string would have more bytes than allowed.
func checkLength(L *lua.LState, size, more int) {
	if more > MaxString-size {
		L.RaiseError("result of '..' is longer than %d bytes", MaxString)
	}
}

// concatWith joins the n-th operand and the value of those behind it by a metamethod. Its error ends with the number of the operand
// to blame, for package varinfo.
func concatWith(L *lua.LState, n int, right lua.LValue) lua.LValue {
	left := L.Get(n)
	method := L.GetMetaField(left, "__concat")
	if method == lua.LNil {
		method = L.GetMetaField(right, "__concat")
	}
	if method == lua.LNil {
		if lua.LVCanConvToString(left) {
			n++
		}
		L.RaiseError("cannot perform concat operation between %v and %v: %d", left.Type(), right.Type(), n)
	}
	call(L, method, left, right)
	result := L.Get(-1)
	L.Pop(1)
	return result
}
