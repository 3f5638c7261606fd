package compile

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// Operands begins the names in FunctionProto.DbgCalls that are not those of called functions: behind it stand the variables
// that the instruction works on, separated by spaces, "" for what is no variable. The compiler notes variables with the
// wrong places, and none for their registers.
const Operands = "\x00"

// Variables travel through the compiler as numbers above the bits of the line, which is the only thing of a node that comes
// out with its instructions.
const (
	lineBits = 21 // of a line; MaxSource allows 2^20
	lineMask = 1<<lineBits - 1
)

// copied begins what is noted for a node that is nothing but a variable.
const copied = "="

// note has the instruction of a node know which of its operands are variables.
func (r *rewriter) note(node ast.PositionHolder, operands ...ast.Expr) {
	var names []string
	some := false
	for _, operand := range operands {
		name := ""
		if variable, ok := operand.(*ast.IdentExpr); ok {
			name, some = variable.Value, true
		}
		names = append(names, name)
	}
	if some {
		r.mark(node, strings.Join(names, " "))
	}
}

// noteCopy does the same for an operand that is copied into a register of its own if it is a variable.
func (r *rewriter) noteCopy(operand ast.Expr) {
	if variable, ok := operand.(*ast.IdentExpr); ok {
		r.mark(variable, copied+variable.Value)
	}
}

func (r *rewriter) mark(node ast.PositionHolder, text string) {
	number, known := r.marks[text]
	if !known {
		number = len(r.marks) + 1
		r.marks[text] = number
	}
	node.SetLine(node.Line()&lineMask | number<<lineBits)
}

// takeNames moves what note has noted from the lines of the instructions to DbgCalls.
func takeNames(proto *lua.FunctionProto, names []string) {
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
			proto.DbgCalls = append(proto.DbgCalls, lua.DbgCall{Pc: pc, Name: Operands + strings.TrimPrefix(name, copied)})
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		takeNames(inner, names)
	}
}

// namesOperands tells whether what was noted for a node is about an instruction of it.
func namesOperands(op int) bool {
	switch op {
	case lua.OP_GETTABLE, lua.OP_GETTABLEKS, lua.OP_SETTABLE, lua.OP_SETTABLEKS, lua.OP_SELF, lua.OP_UNM, lua.OP_LEN:
		return true
	}
	return lua.OP_ADD <= op && op <= lua.OP_POW
}

// inOrder returns the names by their numbers.
func inOrder(marks map[string]int) []string {
	names := make([]string, len(marks))
	for name, number := range marks {
		names[number-1] = name
	}
	return names
}
