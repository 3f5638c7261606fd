package lint

import "github.com/yuin/gopher-lua/ast"

// expr goes through an expression and returns what is known about its value.
func (w *walker) expr(expr ast.Expr) value {
	switch e := expr.(type) {
	case *ast.IdentExpr:
		return w.read(e)
	case *ast.StringExpr:
		w.word(e.Value, e.Line())
		w.names[e.Value] = true
	case *ast.AttrGetExpr:
		of := w.expr(e.Object)
		key, ok := e.Key.(*ast.StringExpr)
		if !ok {
			w.expr(e.Key)
			return value{}
		}
		return w.member(of, key.Value, w.word(key.Value, e.Line()), false)
	case *ast.FuncCallExpr:
		return w.call(e)
	case *ast.FunctionExpr:
		w.function(e, nil)
	case *ast.TableExpr:
		w.table(e, nil)
	case *ast.LogicalOpExpr:
		w.guard(e.Lhs)
		w.guard(e.Rhs)
		w.all([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.RelationalOpExpr:
		w.guard(e.Lhs)
		w.all([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.StringConcatOpExpr:
		w.all([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.ArithmeticOpExpr:
		w.all([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.UnaryMinusOpExpr:
		w.expr(e.Expr)
	case *ast.UnaryNotOpExpr:
		w.guard(e.Expr)
		w.expr(e.Expr)
	case *ast.UnaryLenOpExpr:
		w.expr(e.Expr)
	}
	return value{}
}

// table goes through a table. options describes it if it is a table of options for the server.
func (w *walker) table(e *ast.TableExpr, options *Table) {
	for _, field := range e.Fields {
		var given []parameter
		if key, ok := field.Key.(*ast.StringExpr); ok {
			w.word(key.Value, key.Line())
			w.names[key.Value] = true
			if options != nil {
				given = parameters(w.known.valueOf(options.Members[key.Value]).signature)
			}
		} else if field.Key != nil {
			w.expr(field.Key)
		}
		w.argument(field.Value, given, nil)
	}
}

// argument goes through a value that is given to the server. If the server calls it, given are the parameters of these calls; if
// it is a table of options, options describes it.
func (w *walker) argument(expr ast.Expr, given []parameter, options *Table) {
	switch e := expr.(type) {
	case *ast.FunctionExpr:
		w.function(e, given)
		return
	case *ast.TableExpr:
		w.table(e, options)
		return
	case *ast.IdentExpr:
		if v := w.local(e.Value); v != nil && given != nil && !w.collected {
			u := v.usage
			u.mixed = u.mixed || u.handed > 0 && !sameTypes(u.handler, given)
			u.handed++
			u.handler = given
		}
	}
	w.expr(expr)
}

func (w *walker) call(e *ast.FuncCallExpr) value {
	var fn value
	if e.Method != "" {
		of := w.expr(e.Receiver)
		fn = w.member(of, e.Method, w.word(e.Method, e.Line()), true)
		if fn.signature == extendSignature && len(e.Args) == 0 {
			return of
		}
	} else {
		fn = w.expr(e.Func)
	}
	signature := overload(fn.signature, len(e.Args))
	expected := parameters(signature)
	for i, arg := range e.Args {
		if i >= len(expected) {
			w.expr(arg)
			continue
		}
		v := w.known.valueOf(expected[i].typ)
		w.argument(arg, parameters(v.signature), v.table)
	}
	w.noteGlobals(e)
	if module, ok := w.required(e); ok {
		return module
	}
	return w.known.valueOf(result(signature))
}

// globalFunction returns the name of the global function that is called, or "".
func (w *walker) globalFunction(e *ast.FuncCallExpr) string {
	name, ok := e.Func.(*ast.IdentExpr)
	if !ok || w.local(name.Value) != nil || w.globals[name.Value] {
		return ""
	}
	return name.Value
}

// required returns the module that a call of require returns.
func (w *walker) required(e *ast.FuncCallExpr) (value, bool) {
	if w.globalFunction(e) != "require" || len(e.Args) != 1 {
		return value{}, false
	}
	name, ok := e.Args[0].(*ast.StringExpr)
	if !ok {
		return value{}, false
	}
	if name.Value == w.known.Manager {
		return value{table: &Table{Name: "manager", manager: true}}, true
	}
	return value{table: w.known.Modules[name.Value]}, true
}

// noteGlobals notes globals that rawset or a metatable of _G may define.
func (w *walker) noteGlobals(e *ast.FuncCallExpr) {
	if len(e.Args) < 2 {
		return
	}
	table, ok := e.Args[0].(*ast.IdentExpr)
	if !ok || table.Value != "_G" || w.local("_G") != nil {
		return
	}
	switch w.globalFunction(e) {
	case "rawset":
		if name, ok := e.Args[1].(*ast.StringExpr); ok {
			w.globals[name.Value] = true
			return
		}
		w.anyGlobal = true
	case "setmetatable":
		w.anyGlobal = true
	}
}

// guard notes that an expression is tested, if it is a name that other Luas have.
func (w *walker) guard(expr ast.Expr) {
	name := ""
	switch e := expr.(type) {
	case *ast.IdentExpr:
		name = e.Value
	case *ast.AttrGetExpr:
		library, ok := e.Object.(*ast.IdentExpr)
		key, isName := e.Key.(*ast.StringExpr)
		if ok && isName {
			name = library.Value + "." + key.Value
		}
	}
	if portable(name) {
		w.guarded[name] = true
	}
}
