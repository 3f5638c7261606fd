package compile

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
)

// replaceInstructions replaces instructions of a function, and of those inside of it, by others that work on constants of our
// own: it reads the function for ".." from a constant, not from a global variable; it subtracts instead of negating, and adds to
// convert a bound of a loop, for which see operator.Negation and operator.Conversion.
//
// The compiler stores a negative zero, the result of "-0", as the same constant as zero: there it becomes zero.
func replaceInstructions(proto *lua.FunctionProto) {
	for i, constant := range proto.Constants {
		if constant == lua.LNumber(0) {
			proto.Constants[i] = lua.LNumber(0)
		}
	}
	replaceConcat(proto)
	replaceArithmetic(proto)
	for _, inner := range proto.FunctionPrototypes {
		replaceInstructions(inner)
	}
}

func replaceConcat(proto *lua.FunctionProto) {
	concat := -1
	for pc, code := range proto.Code {
		if int(code>>26) != lua.OP_GETGLOBAL || proto.Constants[code&wideMask] != lua.LString(ConcatFunction) {
			continue
		}
		if concat < 0 {
			concat = len(proto.Constants)
			proto.Constants = append(proto.Constants, &lua.LFunction{IsG: true, GFunction: operator.Concat})
		}
		proto.Code[pc] = uint32(lua.OP_LOADK)<<26 | code&registerMask | uint32(concat)
	}
}

func replaceArithmetic(proto *lua.FunctionProto) {
	replaced := map[int]func(*lua.FunctionProto, uint32) uint32{}
	for pc, code := range proto.Code {
		if int(code>>26) == lua.OP_UNM {
			replaced[pc] = operator.Negation
		}
	}
	for _, note := range proto.DbgCalls {
		if strings.HasPrefix(note.Name, OperandsPrefix+ForBound) {
			replaced[note.Pc] = operator.Conversion
		}
	}
	if len(replaced) == 0 {
		return
	}
	proto.Constants = append(proto.Constants, lua.LNumber(math.Copysign(0, -1)))
	for pc, replacement := range replaced {
		proto.Code[pc] = replacement(proto, proto.Code[pc])
	}
}

// Parts of gopher-lua's instructions.
const (
	wideMask     = 0x3ffff    // the number of a constant
	registerMask = 0xff << 18 // the register of the result
)
