package compile

import (
	"math"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
)

// replaceInstructions replaces instructions of a function, and of those inside of it, by others that work on constants of our
// own: it reads the function for ".." from a constant, not from a global variable, and subtracts instead of negating, for which
// see operator.Negation.
//
// The compiler stores a negative zero, the result of "-0", as the same constant as zero: there it becomes zero.
func replaceInstructions(proto *lua.FunctionProto) {
	concat, negate := -1, false
	for i, constant := range proto.Constants {
		if constant == lua.LNumber(0) {
			proto.Constants[i] = lua.LNumber(0)
		}
	}
	for pc, code := range proto.Code {
		switch int(code >> 26) {
		case lua.OP_GETGLOBAL:
			if proto.Constants[code&wideMask] != lua.LString(ConcatFunction) {
				continue
			}
			if concat < 0 {
				concat = len(proto.Constants)
				proto.Constants = append(proto.Constants, &lua.LFunction{IsG: true, GFunction: operator.Concat})
			}
			proto.Code[pc] = uint32(lua.OP_LOADK)<<26 | code&registerMask | uint32(concat)
		case lua.OP_UNM:
			negate = true
		}
	}
	if negate {
		proto.Constants = append(proto.Constants, lua.LNumber(math.Copysign(0, -1)))
		for pc, code := range proto.Code {
			if int(code>>26) == lua.OP_UNM {
				proto.Code[pc] = operator.Negation(proto, code)
			}
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		replaceInstructions(inner)
	}
}

// Parts of gopher-lua's instructions.
const (
	wideMask     = 0x3ffff    // the number of a constant
	registerMask = 0xff << 18 // the register of the result
)
