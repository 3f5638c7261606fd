package compile

import "github.com/yuin/gopher-lua/ast"

// Concat is the name of the global function that does ".." for what this package compiles: it is given all operands of a
// chain. No script can have a variable of that name. Whoever runs the prototypes provides it, with a bound on what it
// makes: the instruction has none.
const Concat = "(concat)"

// concatenation replaces a chain of ".." that could multiply a string by a call. One with a single operand that is no
// constant cannot: it adds at most the length of the source, and stays the faster instruction.
func (r *rewriter) concatenation(e *ast.StringConcatOpExpr) ast.Expr {
	defer func(depth int) { r.depth = depth }(r.depth)
	var operands []ast.Expr
	variable := 0
	take := func(operand *ast.Expr) {
		*operand = r.expression(*operand)
		r.noteCopy(*operand)
		operands = append(operands, *operand)
		if !isKey(*operand) {
			variable++
		}
	}
	for link := e; ; {
		take(&link.Lhs)
		next, more := link.Rhs.(*ast.StringConcatOpExpr)
		if !more {
			take(&link.Rhs)
			break
		}
		if !r.enter(next) {
			return e
		}
		link = next
	}
	if variable < 2 {
		return e
	}
	call := &ast.FuncCallExpr{Func: r.expression(identifier(Concat, e.Line())), Args: operands, AdjustRet: true}
	call.SetLine(e.Line())
	call.SetLastLine(max(e.Line(), e.LastLine()))
	single(operands[len(operands)-1])
	return call
}

// isConcatenation finds what concatenation made. It has one value also where it is not cut to one.
func isConcatenation(e ast.Expr) bool {
	call, ok := e.(*ast.FuncCallExpr)
	if !ok {
		return false
	}
	name, ok := call.Func.(*ast.IdentExpr)
	return ok && name.Value == Concat
}
