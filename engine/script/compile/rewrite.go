package compile

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// rewriter walks the syntax tree once, children first, and replaces what gopher-lua's compiler would translate wrongly.
// It changes the tree in place. After the first problem it does nothing more.
type rewriter struct {
	problem   *SyntaxError
	function  *function
	depth     int // of the tree, here
	functions int
	marks     map[string]int // what note has noted, numbered from 1
	work      int            // comparisons of constants that the compiler will make, or as much in searches for names
}

// function is what a function around this place asks of the compiler.
type function struct {
	outer     *function
	block     *block         // the innermost, here
	level     int            // functions around this one
	constants map[string]int // in the order in which the compiler meets them
}

// block is a block of the function around this place.
type block struct {
	outer    *block
	loop     bool
	locals   bool // local variables are declared in it
	closures bool // it holds a function
	left     bool // it holds a break that leaves it
	leaks    bool // a loop: a break leaves one of its inner blocks that has local variables and a function
}

// rewrite returns the tree that the compiler gets, and the names that takeNames wants to have.
func rewrite(chunk []ast.Stmt) ([]ast.Stmt, []string, *SyntaxError) {
	r := &rewriter{marks: map[string]int{}}
	r.enterFunction()
	r.statements(chunk)
	r.leaveFunction(1)
	return chunk, inOrder(r.marks), r.problem
}

func (r *rewriter) fail(line int, format string, arguments ...any) {
	if r.problem == nil {
		r.problem = &SyntaxError{Line: line, Message: fmt.Sprintf(format, arguments...)}
	}
}

// enter is called at each node of the tree, with leave; it says whether to go on.
func (r *rewriter) enter(node ast.PositionHolder) bool {
	r.depth++
	if r.depth > maxDepth {
		r.fail(node.Line(), "expression or chain of elseif too long (more than %d levels)", maxDepth)
	}
	return r.problem == nil
}

func (r *rewriter) leave() { r.depth-- }

func (r *rewriter) enterFunction() {
	f := &function{outer: r.function, block: &block{}, constants: make(map[string]int)}
	if f.outer != nil {
		f.level = f.outer.level + 1
		for b := f.outer.block; b != nil; b = b.outer {
			b.closures = true
		}
	}
	r.function = f
}

func (r *rewriter) leaveFunction(line int) {
	r.function = r.function.outer
	r.functions++
	if r.functions > maxFunctions {
		r.fail(line, "more than %d functions in one source", maxFunctions)
	}
	if r.work > maxWork {
		r.fail(line, "too many different constants or variables: split the source, or spread its data over several functions")
	}
}

// constant adds the work of finding a constant: the compiler compares it with those that the function had first. The kind
// keeps the number 1 and the string "1" apart.
func (r *rewriter) constant(kind byte, value string) {
	key := string(kind) + value
	place, found := r.function.constants[key]
	if !found {
		place = len(r.function.constants)
		r.function.constants[key] = place
	}
	r.work += place
}

// name adds the work of finding a name: the compiler compares it with the local variables of all functions around, each
// four times as fast as constants, before it takes it for a global variable.
func (r *rewriter) name(value string) {
	r.work += registers / 4 * (1 + r.function.level)
	r.constant('s', value)
}

func (r *rewriter) statements(list []ast.Stmt) {
	for i := range list {
		list[i] = r.statement(list[i])
	}
}

// inner rewrites a block that is not the body of a loop.
func (r *rewriter) inner(list []ast.Stmt) {
	b := r.enterBlock(false)
	r.statements(list)
	r.leaveBlock()
	if loop := b.around(); loop != nil && b.left && b.locals && b.closures {
		loop.leaks = true
	}
}

// around returns the innermost loop around the block, within the function.
func (b *block) around() *block {
	for b = b.outer; b != nil; b = b.outer {
		if b.loop {
			return b
		}
	}
	return nil
}

func (r *rewriter) enterBlock(loop bool) *block {
	b := &block{outer: r.function.block, loop: loop}
	r.function.block = b
	return b
}

func (r *rewriter) leaveBlock() { r.function.block = r.function.block.outer }

// statement returns what stands for the statement.
func (r *rewriter) statement(statement ast.Stmt) ast.Stmt {
	defer r.leave()
	if !r.enter(statement) {
		return statement
	}
	switch s := statement.(type) {
	case *ast.AssignStmt:
		return r.assignment(s)
	case *ast.LocalAssignStmt:
		return r.declaration(s)
	case *ast.FuncCallStmt:
		if call, ok := s.Expr.(*ast.FuncCallExpr); ok && call.AdjustRet {
			r.fail(s.Line(), "syntax error (a call in brackets is not a statement)")
		}
		s.Expr = r.expression(s.Expr)
	case *ast.DoBlockStmt:
		r.inner(s.Stmts)
	case *ast.IfStmt:
		s.Condition = r.expression(s.Condition)
		r.inner(s.Then)
		r.inner(s.Else)
	case *ast.FuncDefStmt:
		s.Name.Func = r.expression(s.Name.Func)
		s.Name.Receiver = r.expression(s.Name.Receiver)
		r.constant('s', s.Name.Method)
		r.body(s.Func)
	case *ast.ReturnStmt:
		r.expressions(s.Exprs)
	case *ast.BreakStmt:
		for b := r.function.block; b != nil && !b.loop; b = b.outer {
			b.left = true
		}
	default:
		return r.loop(s)
	}
	return statement
}

func (r *rewriter) expressions(list []ast.Expr) {
	for i := range list {
		list[i] = r.expression(list[i])
	}
}

// expression returns what stands for the expression; nil stays nil.
func (r *rewriter) expression(expression ast.Expr) ast.Expr {
	if expression == nil {
		return nil
	}
	defer r.leave()
	if !r.enter(expression) {
		return expression
	}
	switch e := expression.(type) {
	case *ast.NilExpr, *ast.FalseExpr, *ast.TrueExpr, *ast.Comma3Expr:
	case *ast.NumberExpr:
		r.numeral(e)
	case *ast.StringExpr:
		r.constant('s', e.Value)
	case *ast.IdentExpr:
		r.name(e.Value)
	case *ast.AttrGetExpr:
		e.Object = r.expression(e.Object)
		e.Key = r.expression(e.Key)
		r.note(e, e.Object)
	case *ast.TableExpr:
		r.table(e)
	case *ast.FuncCallExpr:
		e.Func = r.expression(e.Func)
		e.Receiver = r.expression(e.Receiver)
		r.constant('s', e.Method)
		r.expressions(e.Args)
		r.note(e, e.Receiver)
	case *ast.FunctionExpr:
		r.body(e)
	default:
		return r.operation(expression)
	}
	return expression
}

func (r *rewriter) operation(expression ast.Expr) ast.Expr {
	switch e := expression.(type) {
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = r.expression(e.Lhs), r.expression(e.Rhs)
		return foldLogical(e)
	case *ast.RelationalOpExpr:
		e.Lhs, e.Rhs = r.expression(e.Lhs), r.expression(e.Rhs)
	case *ast.StringConcatOpExpr:
		return r.concatenation(e)
	case *ast.ArithmeticOpExpr:
		e.Lhs, e.Rhs = r.expression(e.Lhs), r.expression(e.Rhs)
		r.note(e, e.Lhs, e.Rhs)
	case *ast.UnaryMinusOpExpr:
		e.Expr = r.expression(e.Expr)
		r.note(e, e.Expr)
	case *ast.UnaryLenOpExpr:
		e.Expr = r.expression(e.Expr)
		r.note(e, e.Expr)
	case *ast.UnaryNotOpExpr:
		e.Expr = r.expression(e.Expr)
		return foldNot(e)
	default:
		r.fail(expression.Line(), "unknown expression %T", expression)
	}
	return expression
}

func (r *rewriter) body(f *ast.FunctionExpr) {
	r.enterFunction()
	r.statements(f.Stmts)
	r.leaveFunction(f.Line())
}
