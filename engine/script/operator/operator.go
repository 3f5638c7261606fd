// Package operator owns what gopher-lua computes otherwise than Lua 5.1 in expressions: arithmetic on strings, unary minus of
// objects, and ".." with numbers; and how numbers are written and read as text. It must not know libraries, files or threads.
//
// gopher-lua reads the strings in arithmetic as Go does ("010" is 8, "1_000" a number), but asks the metatables of strings and
// numbers first. Open fills these metatables, so that the arithmetic on numbers stays gopher-lua's own and as fast.
package operator

import (
	"math"
	"reflect"

	lua "github.com/yuin/gopher-lua"
)

// binary are the events of arithmetic and what they compute.
func binary() map[string]func(a, b float64) float64 {
	return map[string]func(a, b float64) float64{
		"__add": func(a, b float64) float64 { return a + b },
		"__sub": func(a, b float64) float64 { return a - b },
		"__mul": func(a, b float64) float64 { return a * b },
		"__div": func(a, b float64) float64 { return a / b },
		"__mod": modulo,
		"__pow": math.Pow,
	}
}

// modulo returns the exact remainder with the sign of b, as gopher-lua does for two numbers.
func modulo(a, b float64) float64 {
	remainder := math.Mod(a, b)
	if b > 0 && remainder < 0 || b < 0 && remainder > 0 {
		remainder += b
	}
	return remainder
}

// Open sets the metatables of strings and numbers in L. methods is the table with the methods of strings. No script can get at
// the metatables: getmetatable("") is false, and getmetatable(1) must be kept nil by the caller.
func Open(L *lua.LState, methods lua.LValue) {
	text := L.NewTable()
	text.RawSetString("__index", methods)
	text.RawSetString("__metatable", lua.LFalse)
	for event, compute := range binary() {
		text.RawSetString(event, L.NewFunction(func(L *lua.LState) int { return arithmetic(L, event, compute) }))
	}
	text.RawSetString("__unm", L.NewFunction(func(L *lua.LState) int { return negate(L, L.Get(1)) }))
	L.SetMetatable(lua.LString(""), text)

	number, add, subtract := L.NewTable(), binary()["__add"], binary()["__sub"]
	number.RawSetString("__sub", L.NewFunction(func(L *lua.LState) int {
		if IsNegation(caller(L)) {
			return negate(L, L.Get(2))
		}
		return arithmetic(L, "__sub", subtract)
	}))
	number.RawSetString("__add", L.NewFunction(func(L *lua.LState) int {
		if proto, instruction := caller(L); isOnZero(proto, instruction, lua.OP_ADD) {
			return convert(L, L.Get(2))
		}
		return arithmetic(L, "__add", add)
	}))
	L.SetMetatable(lua.LNumber(0), number)
}

// arithmetic computes an operation that has an operand other than a number. As in Lua 5.1, strings that are numerals count as
// numbers; otherwise the metamethod of the first operand that has one is called.
func arithmetic(L *lua.LState, event string, compute func(a, b float64) float64) int {
	a, b := L.Get(1), L.Get(2)
	x, isNumber := Number(a)
	y, isNumberToo := Number(b)
	if isNumber && isNumberToo {
		L.Push(lua.LNumber(compute(x, y)))
		return 1
	}
	for _, operand := range [...]lua.LValue{a, b} {
		if method := metamethod(L, operand, event); method != lua.LNil {
			return call(L, method, a, b)
		}
	}
	return fail(L, a, b)
}

// negate computes the unary minus of a value that is not a number. As in Lua 5.1, a metamethod gets its operand twice.
func negate(L *lua.LState, operand lua.LValue) int {
	if x, ok := Number(operand); ok {
		L.Push(lua.LNumber(-x))
		return 1
	}
	if method := metamethod(L, operand, "__unm"); method != lua.LNil {
		return call(L, method, operand, operand)
	}
	return fail(L, lua.LNumber(0), operand)
}

// convert returns the number that a bound of a loop stands for.
func convert(L *lua.LState, bound lua.LValue) int {
	x, ok := Number(bound)
	if !ok {
		return fail(L, lua.LNumber(0), bound)
	}
	L.Push(lua.LNumber(x))
	return 1
}

// metamethod returns the metamethod of a value, or nil. That of a string or a number is ours.
func metamethod(L *lua.LState, v lua.LValue, event string) lua.LValue {
	if lua.LVCanConvToString(v) {
		return lua.LNil
	}
	return L.GetMetaField(v, event)
}

// call calls a metamethod, and fails as Lua does if it is neither a function nor an object that can be called.
func call(L *lua.LState, method, a, b lua.LValue) int {
	if method.Type() != lua.LTFunction && L.GetMetaField(method, "__call") == lua.LNil {
		L.RaiseError("attempt to call a %s value", method.Type())
	}
	L.Push(method)
	L.Push(a)
	L.Push(b)
	L.Call(2, 1)
	return 1
}

// fail raises the error of gopher-lua, in which an operand that counts as a number is called one.
func fail(L *lua.LState, a, b lua.LValue) int {
	L.RaiseError("cannot perform arithmetic operation between %s and %s", kind(a), kind(b))
	return 0
}

func kind(v lua.LValue) string {
	if _, ok := Number(v); ok {
		return "number"
	}
	return v.Type().String()
}

// Negation returns the instruction for "-x": a subtraction of x from the last constant of the function, a negative zero.
// gopher-lua's own calls __unm with one operand, Lua with two. The result is the same for every number. In a function with too
// many constants it returns the instruction itself.
func Negation(proto *lua.FunctionProto, instruction uint32) uint32 {
	return onZero(proto, instruction, lua.OP_SUB)
}

// Conversion returns the instruction that replaces the subtraction of 0 from a bound of a loop: the addition to a negative zero,
// which calls no metamethod of the bound.
func Conversion(proto *lua.FunctionProto, instruction uint32) uint32 {
	return onZero(proto, instruction, lua.OP_ADD)
}

// constantBit is set in an operand that is the number of a constant, not of a register.
const constantBit = 0x100

// onZero returns an instruction on the last constant and the first operand of another instruction.
func onZero(proto *lua.FunctionProto, instruction uint32, op int) uint32 {
	last := uint32(len(proto.Constants) - 1)
	if last >= constantBit {
		return instruction
	}
	register, operand := instruction&(0xff<<18), instruction&0x1ff
	return uint32(op)<<26 | register | operand<<9 | constantBit | last
}

// IsNegation reports whether an instruction of a function was made by Negation.
func IsNegation(proto *lua.FunctionProto, instruction uint32) bool {
	return isOnZero(proto, instruction, lua.OP_SUB)
}

func isOnZero(proto *lua.FunctionProto, instruction uint32, op int) bool {
	if proto == nil || int(instruction>>26) != op || len(proto.Constants) == 0 {
		return false
	}
	last := len(proto.Constants) - 1
	zero, ok := proto.Constants[last].(lua.LNumber)
	return ok && zero == 0 && math.Signbit(float64(zero)) && instruction&0x1ff == constantBit|uint32(last)
}

// caller returns the function that has called the running Go function, if that is one of Lua, and its instruction. It uses
// reflection, since gopher-lua does not export the position.
func caller(L *lua.LState) (*lua.FunctionProto, uint32) {
	d, ok := L.GetStack(1)
	if !ok {
		return nil, 0
	}
	v, err := L.GetInfo("f", d, lua.LNil)
	fn, isFunction := v.(*lua.LFunction)
	if err != nil || !isFunction || fn.IsG {
		return nil, 0
	}
	pc := int(reflect.ValueOf(d).Elem().FieldByName("frame").Elem().FieldByName("Pc").Int()) - 1
	if pc < 0 || pc >= len(fn.Proto.Code) {
		return nil, 0
	}
	return fn.Proto, fn.Proto.Code[pc]
}
