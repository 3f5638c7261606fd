package compile

import "github.com/yuin/gopher-lua/ast"

// ConcatFunction is the name of the global function that compiled programs call for "..": its arguments are all operands of a chain.
// No script can have a variable of that name. The VM that runs the prototypes must provide it, and limit its results: the
// instruction of gopher-lua has no limit.
const ConcatFunction = "(concat)"

// concatenation replaces a chain of ".." that could multiply a string by a call. A chain with only one operand that is not
// a constant cannot: it adds at most the length of the source, and stays the faster instruction.
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
	concat := r.expression(identifier(ConcatFunction, e.Line()))
	call := at(e.Line(), &ast.FuncCallExpr{Func: concat, Args: operands, AdjustRet: true})
	call.SetLastLine(max(e.Line(), e.LastLine()))
	toSingle(operands[len(operands)-1])
	return call
}

// isConcatenation reports whether an expression is a call that concatenation made.
func isConcatenation(e ast.Expr) bool {
	if call, ok := e.(*ast.FuncCallExpr); ok {
		name, ok := call.Func.(*ast.IdentExpr)
		return ok && name.Value == ConcatFunction
	}
	return false
}
