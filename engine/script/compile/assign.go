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
// The compiler computes a value directly in the register of its local variable, although later values, and the rest of the
// same expression, still need the old value; and it miscounts its registers if a table field gets the value of a local
// variable beside other targets. As in Lua, the last target is assigned first.
func (r *rewriter) assignment(s *ast.AssignStmt) ast.Stmt {
	r.expressions(s.Lhs)
	r.expressions(s.Rhs)
	if r.problem != nil || !needsTemporaries(s) {
		return s
	}
	temporary := at(s.Line(), &ast.LocalAssignStmt{})
	for _, target := range s.Lhs {
		if t, ok := target.(*ast.AttrGetExpr); ok {
			t.Object = saveValue(temporary, t.Object)
			if !isKey(t.Key) {
				t.Key = saveValue(temporary, t.Key)
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
		value := identifier(temporary.Names[held+i], target.Line())
		one := &ast.AssignStmt{Lhs: []ast.Expr{target}, Rhs: []ast.Expr{value}}
		block.Stmts = append(block.Stmts, at(target.Line(), one))
	}
	return block
}

// needsTemporaries reports whether the compiler may translate an assignment wrongly. With one target and one value these
// are: "and", "or" and an expression adjusted to one value ("(f())", "(...)"), which use the register of a local target or
// of the last parameter; and a field of a constant, which is taken for the register with the number of the constant.
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
	mark := adjustMark(s.Rhs[0])
	if isConcatenation(s.Rhs[0]) {
		*mark = false // it has one value in any case
	}
	return logical || mark != nil && *mark
}

// isKey reports whether a key needs no temporary variable, because nothing can change it.
func isKey(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StringExpr, *ast.NumberExpr:
		return true
	}
	return false
}

// saveValue stores the value of an expression in a temporary variable and returns that.
func saveValue(temporary *ast.LocalAssignStmt, e ast.Expr) ast.Expr {
	temporary.Exprs = append(temporary.Exprs, toSingle(e))
	return declare(temporary, e.Line())
}

// declare adds a temporary variable. Because of the parentheses no variable of a script can have its name.
func declare(temporary *ast.LocalAssignStmt, line int) ast.Expr {
	name := "(" + strconv.Itoa(len(temporary.Names)+1) + ")"
	temporary.Names = append(temporary.Names, name)
	return identifier(name, line)
}

func identifier(name string, line int) ast.Expr { return at(line, &ast.IdentExpr{Value: name}) }

// at sets the line of a new node.
func at[Node ast.PositionHolder](line int, node Node) Node {
	node.SetLine(line)
	return node
}

// enclose returns a block at the position of a statement.
func enclose(place ast.Stmt, statements ...ast.Stmt) *ast.DoBlockStmt {
	block := at(place.Line(), &ast.DoBlockStmt{Stmts: statements})
	block.SetLastLine(max(place.Line(), place.LastLine()))
	return block
}

// declaration distinguishes "local f = function" from "local function f", for which the parser makes the same node: only
// the second has a last line. The compiler lets the function see the new variable in both, unless there is a second
// value, which is dropped.
func (r *rewriter) declaration(s *ast.LocalAssignStmt) ast.Stmt {
	r.function.block.hasLocals = true
	r.expressions(s.Exprs)
	if s.LastLine() != 0 || len(s.Names) != 1 || len(s.Exprs) != 1 {
		return s
	}
	if f, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
		s.Exprs = append(s.Exprs, at(f.Line(), &ast.NilExpr{}))
	}
	return s
}
