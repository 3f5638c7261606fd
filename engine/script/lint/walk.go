package lint

import "github.com/yuin/gopher-lua/ast"

// extendSignature is that of extend, a method of managers. Its result is a manager, too.
const extendSignature = "(): manager"

func (w *walker) block(stmts []ast.Stmt) {
	w.enter()
	w.statements(stmts)
	w.leave()
}

func (w *walker) statements(stmts []ast.Stmt) {
	for _, s := range stmts {
		w.statement(s)
	}
}

func (w *walker) statement(stmt ast.Stmt) {
	switch s := stmt.(type) {
	case *ast.AssignStmt:
		for _, e := range s.Lhs {
			w.assign(e)
		}
		w.all(s.Rhs)
	case *ast.LocalAssignStmt:
		w.localAssign(s)
	case *ast.FuncCallStmt:
		w.expr(s.Expr)
	case *ast.DoBlockStmt:
		w.block(s.Stmts)
	case *ast.WhileStmt:
		w.expr(s.Condition)
		w.block(s.Stmts)
	case *ast.RepeatStmt:
		w.enter()
		w.statements(s.Stmts)
		w.expr(s.Condition) // it sees the variables of the block
		w.leave()
	case *ast.IfStmt:
		w.guard(s.Condition)
		w.expr(s.Condition)
		w.block(s.Then)
		w.block(s.Else)
	case *ast.NumberForStmt:
		w.word(s.Name, s.Line())
		w.all([]ast.Expr{s.Init, s.Limit, s.Step})
		w.enter()
		w.declare(s.Name, declaration{s, 0}, value{})
		w.statements(s.Stmts)
		w.leave()
	case *ast.GenericForStmt:
		w.genericFor(s)
	case *ast.FuncDefStmt:
		w.functionDefinition(s)
	case *ast.ReturnStmt:
		w.all(s.Exprs)
	}
}

// all goes through expressions and returns what is known about each.
func (w *walker) all(exprs []ast.Expr) []value {
	values := make([]value, len(exprs))
	for i, e := range exprs {
		if e != nil {
			values[i] = w.expr(e)
		}
	}
	return values
}

func (w *walker) localAssign(s *ast.LocalAssignStmt) {
	for _, name := range s.Names {
		w.word(name, s.Line())
	}
	if f, ok := onlyFunction(s); ok { // the function sees its own name
		u := w.declare(s.Names[0], declaration{s, 0}, value{})
		w.functions[f] = u
		w.function(f, nil)
		return
	}
	values := w.all(s.Exprs)
	for i, name := range s.Names {
		v := value{}
		if i < len(values) {
			v = values[i]
		}
		w.declare(name, declaration{s, i}, v)
	}
}

// onlyFunction returns the function of a statement that declares one variable with it.
func onlyFunction(s *ast.LocalAssignStmt) (*ast.FunctionExpr, bool) {
	if len(s.Names) != 1 || len(s.Exprs) != 1 {
		return nil, false
	}
	f, ok := s.Exprs[0].(*ast.FunctionExpr)
	return f, ok
}

func (w *walker) genericFor(s *ast.GenericForStmt) {
	for _, name := range s.Names {
		w.word(name, s.Line())
	}
	values := w.all(s.Exprs)
	w.enter()
	for i, name := range s.Names {
		v := value{}
		if i == 0 && len(values) == 1 {
			v = w.known.valueOf(result(values[0].signature))
		}
		w.declare(name, declaration{s, i}, v)
	}
	w.statements(s.Stmts)
	w.leave()
}

// functionDefinition is "function a.b:c() end".
func (w *walker) functionDefinition(s *ast.FuncDefStmt) {
	if s.Name.Func != nil {
		w.assign(s.Name.Func)
		w.function(s.Func, nil)
		return
	}
	of := w.expr(s.Name.Receiver)
	w.word(s.Name.Method, s.Line())
	w.names[s.Name.Method] = true
	w.extend(of, s.Name.Method)
	var given []parameter
	if of.table != nil && of.table.manager {
		given = parameters(w.known.Hooks[s.Name.Method])
	}
	w.enter()
	w.declare("self", declaration{s, 0}, value{})
	w.function(s.Func, given)
	w.leave()
}

// assign is the target of an assignment.
func (w *walker) assign(target ast.Expr) {
	switch e := target.(type) {
	case *ast.IdentExpr:
		w.word(e.Value, e.Line())
		if v := w.local(e.Value); v != nil {
			v.usage.assigned = true
		} else {
			w.globals[e.Value] = true
		}
	case *ast.AttrGetExpr:
		of := w.expr(e.Object)
		key, ok := e.Key.(*ast.StringExpr)
		if !ok {
			w.expr(e.Key)
			w.assignComputed(of)
			return
		}
		at := w.word(key.Value, e.Line())
		w.names[key.Value] = true
		if !w.extend(of, key.Value) {
			w.member(of, key.Value, at, false)
		}
	}
}

// extend notes that a member is assigned to a global table or a library. It reports whether the value is one of them.
func (w *walker) extend(of value, name string) bool {
	switch t := of.table; {
	case t == nil:
		return false
	case t.globals:
		w.globals[name] = true
		return true
	case w.known.Globals[t.Name] == t:
		w.extensions[t.Name+"."+name] = true
		return true
	default:
		return false
	}
}

// assignComputed notes that a member with a computed name is assigned.
func (w *walker) assignComputed(of value) {
	switch {
	case of.table == nil:
	case of.table.globals:
		w.anyGlobal = true
	case of.table.Attributes:
		w.dynamicAttributes = true
	}
}

// function goes through a function; given are the parameters with which the server calls it, if it does.
func (w *walker) function(f *ast.FunctionExpr, given []parameter) {
	if u := w.functions[f]; u != nil && w.collected && u.handed == u.reads && !u.assigned && !u.mixed {
		given = u.handler
	}
	w.enter()
	for i, name := range f.ParList.Names {
		w.word(name, f.Line())
		v := value{}
		if i < len(given) {
			v = w.known.valueOf(given[i].typ)
		}
		w.declare(name, declaration{f, i}, v)
	}
	if f.ParList.HasVargs {
		w.declare("arg", declaration{f, len(f.ParList.Names)}, value{})
	}
	w.statements(f.Stmts)
	w.leave()
}
