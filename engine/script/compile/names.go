package compile

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// OperandsPrefix is the prefix of the names in FunctionProto.DbgCalls that are not those of called functions. It is followed by
// the variables that the instruction works on, separated by spaces; "" is an operand that is not a variable. The compiler's
// own list of variables has wrong positions and no registers.
const OperandsPrefix = "\x00"

// The names of variables pass through the compiler as numbers in the bits above the line, because the line is the only part of
// a node that the compiler keeps with its instructions.
const (
	lineBits = 21 // bits of the line; MaxSource allows 2^20 lines
	lineMask = 1<<lineBits - 1
)

// copied is the prefix of a note at a node that is a variable and nothing else.
const copied = "="

// note attaches to a node which of its operands are variables.
func (r *rewriter) note(node ast.PositionHolder, operands ...ast.Expr) {
	names, some := make([]string, len(operands)), false
	for i, operand := range operands {
		if variable, ok := operand.(*ast.IdentExpr); ok {
			names[i], some = variable.Value, true
		}
	}
	if some {
		r.attach(node, strings.Join(names, " "))
	}
}

// noteCopy does the same for an operand that the compiler copies into a register of its own if it is a variable.
func (r *rewriter) noteCopy(operand ast.Expr) {
	if variable, ok := operand.(*ast.IdentExpr); ok {
		r.attach(variable, copied+variable.Value)
	}
}

func (r *rewriter) attach(node ast.PositionHolder, text string) {
	number, known := r.notes[text]
	if !known {
		number = len(r.notes) + 1
		r.notes[text] = number
	}
	node.SetLine(node.Line()&lineMask | number<<lineBits)
}

// moveNames moves the notes from the lines of the instructions to DbgCalls.
func moveNames(proto *lua.FunctionProto, names []string) {
	proto.LineDefined &= lineMask
	proto.LastLineDefined &= lineMask
	for pc, position := range proto.DbgSourcePositions {
		number := position >> lineBits
		proto.DbgSourcePositions[pc] = position & lineMask
		if number == 0 || pc >= len(proto.Code) {
			continue
		}
		name := names[number-1]
		copies := strings.HasPrefix(name, copied)
		if op := int(proto.Code[pc] >> 26); copies && (op == lua.OP_MOVE || op == lua.OP_MOVEN) || !copies && namesOperands(op) {
			proto.DbgCalls = append(proto.DbgCalls, lua.DbgCall{Pc: pc, Name: OperandsPrefix + strings.TrimPrefix(name, copied)})
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		moveNames(inner, names)
	}
}

// namesOperands reports whether the note at a node belongs to an instruction of it with this operation.
func namesOperands(op int) bool {
	switch op {
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS, lua.OP_SETTABLE, lua.OP_SETTABLEKS, lua.OP_SELF, lua.OP_UNM, lua.OP_LEN:
		return true
	}
	return lua.OP_ADD <= op && op <= lua.OP_POW
}

// orderedNotes returns the notes in the order of their numbers.
func orderedNotes(notes map[string]int) []string {
	names := make([]string, len(notes))
	for name, number := range notes {
		names[number-1] = name
	}
	return names
}
