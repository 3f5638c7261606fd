package compile

import (
	"slices"
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// assignment gives every value a temporary variable before anything is assigned, tables and keys first:
//
//	t[i], x = x, f()   becomes   do local t1, k1, v1, v2 = t, i, x, f(); x = v2; t1[k1] = v1 end
//
// The compiler computes a value right in the register of the local variable that it is for, while later values, and the
// rest of the same expression, still want what was in it; and it loses count of its registers where a table takes the
// value of a local variable beside other targets. Like Lua it assigns the last target first.
func (r *rewriter) assignment(s *ast.AssignStmt) ast.Stmt {
	r.expressions(s.Lhs)
	r.expressions(s.Rhs)
	if r.problem != nil || !needsTemporaries(s) {
		return s
	}
	temporary := &ast.LocalAssignStmt{}
	temporary.SetLine(s.Line())
	for _, target := range s.Lhs {
		if t, ok := target.(*ast.AttrGetExpr); ok {
			t.Object = hold(temporary, t.Object)
			if !isKey(t.Key) {
				t.Key = hold(temporary, t.Key)
			}
		}
	}
	held := len(temporary.Names)
	for _, target := range s.Lhs {
		declare(temporary, target.Line())
	}
	temporary.Exprs = append(temporary.Exprs, s.Rhs...)

	block := enclose(s, temporary)
	for i, target := range slices.Backward(s.Lhs) {
		one := &ast.AssignStmt{
			Lhs: []ast.Expr{target},
			Rhs: []ast.Expr{identifier(temporary.Names[held+i], target.Line())},
		}
		one.SetLine(target.Line())
		block.Stmts = append(block.Stmts, one)
	}
	return block
}

// needsTemporaries finds the assignments that the compiler may get wrong. Of those with one target and one value these
// are: "and", "or" and what is cut to one value ("(f())", "(...)"), which go through the register of a local target or of
// the last parameter; and a field of a constant, which is taken for the register with the number of the constant.
func needsTemporaries(s *ast.AssignStmt) bool {
	if len(s.Lhs) != 1 || len(s.Rhs) != 1 {
		return true
	}
	if target, ok := s.Lhs[0].(*ast.AttrGetExpr); ok {
		switch target.Object.(type) {
		case *ast.StringExpr, *ast.NumberExpr, *ast.ArithmeticOpExpr, *ast.UnaryMinusOpExpr:
			return true
		}
		return false
	}
	_, logical := s.Rhs[0].(*ast.LogicalOpExpr)
	mark := cut(s.Rhs[0])
	if isConcatenation(s.Rhs[0]) {
		*mark = false // which is as good, since it has one value in any case
	}
	return logical || mark != nil && *mark
}

// isKey finds keys that need no variable: nothing can change them.
func isKey(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StringExpr, *ast.NumberExpr:
		return true
	}
	return false
}

// hold keeps the value of an expression in a temporary variable and returns that.
func hold(temporary *ast.LocalAssignStmt, e ast.Expr) ast.Expr {
	temporary.Exprs = append(temporary.Exprs, single(e))
	return declare(temporary, e.Line())
}

// declare adds a temporary variable. No name in a script can be the same, because of the brackets.
func declare(temporary *ast.LocalAssignStmt, line int) ast.Expr {
	name := "(" + strconv.Itoa(len(temporary.Names)+1) + ")"
	temporary.Names = append(temporary.Names, name)
	return identifier(name, line)
}

func identifier(name string, line int) ast.Expr {
	e := &ast.IdentExpr{Value: name}
	e.SetLine(line)
	return e
}

// enclose returns a block at the place of a statement.
func enclose(place ast.Stmt, statements ...ast.Stmt) *ast.DoBlockStmt {
	block := &ast.DoBlockStmt{Stmts: statements}
	block.SetLine(place.Line())
	block.SetLastLine(max(place.Line(), place.LastLine()))
	return block
}

// declaration tells "local f = function" from "local function f", for which the parser makes the same node: only the
// second has a last line. The compiler gives the name to the function in both; with a second value, which is dropped, it
// does not.
func (r *rewriter) declaration(s *ast.LocalAssignStmt) ast.Stmt {
	r.function.block.locals = true
	r.expressions(s.Exprs)
	if s.LastLine() != 0 || len(s.Names) != 1 || len(s.Exprs) != 1 {
		return s
	}
	if f, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
		nothing := &ast.NilExpr{}
		nothing.SetLine(f.Line())
		s.Exprs = append(s.Exprs, nothing)
	}
	return s
}
