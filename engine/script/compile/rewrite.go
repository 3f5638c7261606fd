package compile

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// rewriter walks the syntax tree once, children first, and replaces the nodes that gopher-lua's compiler would translate
// wrongly. It changes the tree in place. After the first problem it does nothing.
type rewriter struct {
	problem   *SyntaxError
	function  *function
	depth     int // of the current node
	functions int
	notes     map[string]int // the texts of attach, numbered from 1
	work      int            // comparisons of constants that the compiler will make; searches for names count as such
}

// function is a function around the current node.
type function struct {
	outer     *function
	block     *block         // the innermost block around the current node
	level     int            // number of functions around this one
	constants map[string]int // their numbers, in the order of the compiler
}

// block is a block around the current node.
type block struct {
	outer       *block
	isLoop      bool
	hasLocals   bool // local variables are declared in it
	hasFunction bool // it contains a function
	hasBreak    bool // it contains a break that leaves it
	needsClose  bool // a loop: a break leaves an inner block that has local variables and a function
}

// rewrite returns the tree for the compiler, and the names for moveNames.
func rewrite(chunk []ast.Stmt) ([]ast.Stmt, []string, *SyntaxError) {
	r := &rewriter{notes: map[string]int{}}
	r.enterFunction()
	r.statements(chunk)
	r.leaveFunction(1)
	return chunk, orderedNotes(r.notes), r.problem
}

func (r *rewriter) fail(line int, format string, arguments ...any) {
	if r.problem == nil {
		r.problem = &SyntaxError{Line: line, Message: fmt.Sprintf(format, arguments...)}
	}
}

// enter is called at each node of the tree, before leave. It reports whether to continue.
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
			b.hasFunction = true
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

// countConstant adds the work of finding a constant: the compiler compares it with those that the function had first. The kind
// keeps the number 1 and the string "1" apart.
func (r *rewriter) countConstant(kind byte, value string) {
	key := string(kind) + value
	place, found := r.function.constants[key]
	if !found {
		place = len(r.function.constants)
		r.function.constants[key] = place
	}
	r.work += place
}

// countName adds the work of finding a name: before the compiler takes it for a global variable, it compares it with the
// local variables of all functions around, each comparison four times as fast as with constants.
func (r *rewriter) countName(value string) {
	r.work += registers / 4 * (1 + r.function.level)
	r.countConstant('s', value)
}

func (r *rewriter) statements(list []ast.Stmt) {
	for i := range list {
		list[i] = r.statement(list[i])
	}
}

// innerBlock rewrites a block that is not the body of a loop.
func (r *rewriter) innerBlock(list []ast.Stmt) {
	b := r.enterBlock(false)
	r.statements(list)
	r.leaveBlock()
	if loop := b.enclosingLoop(); loop != nil && b.hasBreak && b.hasLocals && b.hasFunction {
		loop.needsClose = true
	}
}

// enclosingLoop returns the innermost loop around the block, within the function.
func (b *block) enclosingLoop() *block {
	for b = b.outer; b != nil; b = b.outer {
		if b.isLoop {
			return b
		}
	}
	return nil
}

func (r *rewriter) enterBlock(loop bool) *block {
	b := &block{outer: r.function.block, isLoop: loop}
	r.function.block = b
	return b
}

func (r *rewriter) leaveBlock() { r.function.block = r.function.block.outer }

// statement returns the replacement of a statement.
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
		r.innerBlock(s.Stmts)
	case *ast.IfStmt:
		s.Condition = r.expression(s.Condition)
		r.innerBlock(s.Then)
		r.innerBlock(s.Else)
	case *ast.FuncDefStmt:
		s.Name.Func = r.expression(s.Name.Func)
		s.Name.Receiver = r.expression(s.Name.Receiver)
		r.countConstant('s', s.Name.Method)
		r.body(s.Func)
	case *ast.ReturnStmt:
		r.expressions(s.Exprs)
	case *ast.BreakStmt:
		for b := r.function.block; b != nil && !b.isLoop; b = b.outer {
			b.hasBreak = true
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

// expression returns the replacement of an expression; nil stays nil.
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
		r.countConstant('s', e.Value)
	case *ast.IdentExpr:
		r.countName(e.Value)
	case *ast.AttrGetExpr:
		e.Object = r.expression(e.Object)
		e.Key = r.expression(e.Key)
		r.note(e, e.Object)
	case *ast.TableExpr:
		r.table(e)
	case *ast.FuncCallExpr:
		e.Func = r.expression(e.Func)
		e.Receiver = r.expression(e.Receiver)
		r.countConstant('s', e.Method)
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
