package compile

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"

	"perigee/engine/script/operator"
)

// ConcatFunction is the name of the function that compiled programs call for "..": its arguments are all operands of a chain. No
// script can have a variable of that name, and it is no global either: see replaceInstructions. The instruction of gopher-lua
// writes numbers as Go does, and has no limit.
const ConcatFunction = "(concat)"

// concatenation replaces a chain of ".." by a call, unless all operands are constants.
func (r *rewriter) concatenation(e *ast.StringConcatOpExpr) ast.Expr {
	defer func(depth int) { r.depth = depth }(r.depth)
	var operands []ast.Expr
	variable := false
	take := func(operand *ast.Expr) {
		*operand = constantText(r.expression(*operand))
		r.noteCopy(*operand)
		operands = append(operands, *operand)
		variable = variable || !isKey(*operand)
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
	if !variable {
		return e
	}
	concat := r.expression(identifier(ConcatFunction, e.Line()))
	call := at(e.Line(), &ast.FuncCallExpr{Func: concat, Args: operands, AdjustRet: true})
	call.SetLastLine(max(e.Line(), e.LastLine()))
	toSingle(operands[len(operands)-1])
	return call
}

// constantText returns a constant number as a string, any other expression unchanged.
func constantText(e ast.Expr) ast.Expr {
	number, ok := e.(*ast.NumberExpr)
	if !ok {
		return e
	}
	value, _ := strconv.ParseFloat(number.Value, 64) // numeral has written it
	return at(e.Line(), &ast.StringExpr{Value: operator.Text(value)})
}

// isConcatenation reports whether an expression is a call that concatenation made.
func isConcatenation(e ast.Expr) bool {
	if call, ok := e.(*ast.FuncCallExpr); ok {
		name, ok := call.Func.(*ast.IdentExpr)
		return ok && name.Value == ConcatFunction
	}
	return false
}
