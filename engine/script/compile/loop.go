package compile

import "github.com/yuin/gopher-lua/ast"

func (r *rewriter) loop(statement ast.Stmt) ast.Stmt {
	switch s := statement.(type) {
	case *ast.WhileStmt:
		s.Condition = r.expression(s.Condition)
		s.Stmts = r.loopBody(s.Stmts, nil)
	case *ast.RepeatStmt:
		s.Stmts = r.loopBody(s.Stmts, func() { s.Condition = r.expression(s.Condition) })
	case *ast.NumberForStmt:
		return r.numericFor(s)
	case *ast.GenericForStmt:
		return r.genericFor(s)
	default:
		r.fail(statement.Line(), "unknown statement %T", statement)
	}
	return statement
}

// loopBody rewrites the body of a loop. rest rewrites further nodes of its scope. Optional.
//
// A body that may begin with a jump gets an unused local variable in front, because the jump back would end at the wrong
// place (see foldLogical). A body with a break that leaves an inner block whose variables a function may have captured
// gets a captured variable of its own: only then does the compiler let break close the variables of inner blocks.
func (r *rewriter) loopBody(body []ast.Stmt, rest func()) []ast.Stmt {
	b := r.enterBlock(true)
	r.statements(body)
	if rest != nil {
		rest()
	}
	r.leaveBlock()
	switch {
	case r.problem != nil || len(body) == 0:
		return body
	case b.needsClose:
		return append(capturedVariable(body[0].Line()), body...)
	case beginsWithJump(body):
		return append([]ast.Stmt{unusedVariable(body[0].Line())}, body...)
	}
	return body
}

const unused = "(unused)"

func unusedVariable(line int) ast.Stmt {
	return at(line, &ast.LocalAssignStmt{Names: []string{unused}})
}

// capturedVariable returns: local unused; if false then (function() return unused end)() end. Its code never runs and needs no
// lines.
func capturedVariable(line int) []ast.Stmt {
	result := &ast.ReturnStmt{Exprs: []ast.Expr{identifier(unused, line)}}
	capture := at(line, &ast.FunctionExpr{ParList: &ast.ParList{}, Stmts: []ast.Stmt{result}})
	capture.SetLastLine(line)
	statement := &ast.FuncCallStmt{Expr: &ast.FuncCallExpr{Func: capture}}
	branch := at(line, &ast.IfStmt{Condition: &ast.FalseExpr{}, Then: []ast.Stmt{statement}})
	return []ast.Stmt{unusedVariable(line), branch}
}

// beginsWithJump reports whether the first instruction of the body may be a jump.
func beginsWithJump(body []ast.Stmt) bool {
	if len(body) == 0 {
		return true
	}
	switch s := body[0].(type) {
	case *ast.DoBlockStmt:
		return beginsWithJump(s.Stmts)
	case *ast.IfStmt:
		return truthOf(s.Condition) != unknown
	case *ast.WhileStmt:
		return truthOf(s.Condition) != unknown
	case *ast.RepeatStmt, *ast.BreakStmt:
		return true
	}
	return false
}

// ForBound is the prefix of the note at the conversion of a bound, before what the bound is: "limit".
const ForBound = "(for) "

// numericFor converts bounds that are strings to numbers:
//
//	for i = a, f() do   becomes   do local a1, f1 = a, f(); for i = a1 - 0, f1 - 0 do
//
// The variables are needed only if a bound could do something before an earlier one fails.
func (r *rewriter) numericFor(s *ast.NumberForStmt) ast.Stmt {
	s.Init, s.Limit, s.Step = r.expression(s.Init), r.expression(s.Limit), r.expression(s.Step)
	s.Stmts = r.loopBody(s.Stmts, nil)
	bounds := map[string]*ast.Expr{"initial value": &s.Init, "limit": &s.Limit, "step": &s.Step}
	var unknown []string
	acts := false
	for _, name := range [...]string{"initial value", "limit", "step"} {
		if e := *bounds[name]; e != nil && !isNumeral(e) {
			_, reads := e.(*ast.IdentExpr)
			unknown, acts = append(unknown, name), acts || !reads
		}
	}
	temporary := at(s.Line(), &ast.LocalAssignStmt{})
	for _, name := range unknown {
		bound := bounds[name]
		if acts && len(unknown) > 1 {
			*bound = saveValue(temporary, *bound)
		}
		zero := at(s.Line(), &ast.NumberExpr{Value: "0"})
		r.numeral(zero)
		number := at((*bound).Line()&lineMask, &ast.ArithmeticOpExpr{Operator: "-", Lhs: *bound, Rhs: zero})
		r.attach(number, ForBound+name)
		*bound = number
	}
	if len(temporary.Names) == 0 {
		return s
	}
	return enclose(s, temporary, s)
}

// isNumeral reports whether an expression is a number, perhaps with a minus.
func isNumeral(e ast.Expr) bool {
	if minus, ok := e.(*ast.UnaryMinusOpExpr); ok {
		e = minus.Expr
	}
	_, ok := e.(*ast.NumberExpr)
	return ok
}

// genericFor computes iterator, state and control before the loop:
//
//	for k in next, f() do   becomes   do local i, s, c = next, f(); for k in i, s, c do
//
// The compiler drops the values of a call that follows as many expressions as the loop has variables, does not clear the
// registers of missing values, and lets a call within the first expression overwrite what follows it.
func (r *rewriter) genericFor(s *ast.GenericForStmt) ast.Stmt {
	r.expressions(s.Exprs)
	s.Stmts = r.loopBody(s.Stmts, nil)
	if r.problem != nil || len(s.Exprs) == 1 && isPlainCall(s.Exprs[0]) {
		return s
	}
	temporary := at(s.Line(), &ast.LocalAssignStmt{Exprs: s.Exprs})
	s.Exprs = []ast.Expr{declare(temporary, s.Line()), declare(temporary, s.Line()), declare(temporary, s.Line())}
	return enclose(s, temporary, s)
}

// isPlainCall reports whether an expression is a call, with all its results, of something named: pairs(t), t.items(),
// t:items().
func isPlainCall(e ast.Expr) bool {
	call, ok := e.(*ast.FuncCallExpr)
	if !ok || call.AdjustRet {
		return false
	}
	if call.Func != nil {
		return isNamed(call.Func)
	}
	return isNamed(call.Receiver)
}

func isNamed(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return true
	case *ast.AttrGetExpr:
		return isKey(e.Key) && isNamed(e.Object)
	}
	return false
}
