package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/ast"

	"perigee/engine/config"
	"perigee/engine/script/compile"
)

// walker goes through the syntax tree of one source in the order of its text.
type walker struct {
	*program
	file     string
	chunk    []ast.Stmt
	words    []compile.Word
	findings []Finding

	next   int  // index of the next word
	lost   bool // the words do not match the tree, so columns are unknown
	scopes []map[string]*variable
}

// variable is a local variable.
type variable struct {
	value value
	usage *usage
}

// position is a place in the source.
type position struct{ line, column int }

// run makes one pass.
func (w *walker) run() {
	w.next, w.lost, w.scopes = 0, false, nil
	w.block(w.chunk)
}

// word returns the position of the next word of the source, which is a name or a string; text is that of a name. line is used if the
// word cannot be found.
func (w *walker) word(text string, line int) position {
	if !w.lost && w.next < len(w.words) {
		next := w.words[w.next]
		if next.Quoted || next.Text == text {
			w.next++
			return position{next.Line, next.Column}
		}
	}
	w.lost = true
	return position{line: line}
}

func (w *walker) enter() { w.scopes = append(w.scopes, map[string]*variable{}) }

func (w *walker) leave() { w.scopes = w.scopes[:len(w.scopes)-1] }

// declare adds a variable to the innermost scope.
func (w *walker) declare(name string, at declaration, v value) *usage {
	u := w.variables[at]
	if u == nil {
		u = &usage{}
		w.variables[at] = u
	}
	if u.assigned {
		v = value{}
	}
	w.scopes[len(w.scopes)-1][name] = &variable{value: v, usage: u}
	return u
}

// local returns the local variable of a name, or nil.
func (w *walker) local(name string) *variable {
	for _, s := range slices.Backward(w.scopes) {
		if v := s[name]; v != nil {
			return v
		}
	}
	return nil
}

// report adds a finding about a name that does not exist. If it is one of Lua that scripts do not have, the finding says what to
// write instead, and nothing is similar.
func (w *walker) report(at position, problem, name, similar string) {
	if !w.collected {
		return
	}
	problem += " " + name
	if instead := w.known.Instead(name); instead != "" {
		problem, similar = problem+": "+instead, ""
	}
	w.findings = append(w.findings, Finding{w.file, at.line, at.column, problem, similar})
}

// read returns what is known about a variable.
func (w *walker) read(e *ast.IdentExpr) value {
	at := w.word(e.Value, e.Line())
	if v := w.local(e.Value); v != nil {
		if !w.collected {
			v.usage.reads++
		}
		return v.value
	}
	if !w.isGlobal(e.Value) && !w.guarded[e.Value] {
		w.report(at, "undefined global", e.Value, w.similarVariable(e.Value))
	}
	if w.globals[e.Value] {
		return value{}
	}
	return value{table: w.known.Globals[e.Value]}
}

// member returns what is known about a member of a value, and reports one that does not exist. called means that it is called as a
// method.
func (w *walker) member(of value, name string, at position, called bool) value {
	t := of.table
	if t == nil || t.globals || t.Data && !called {
		return value{}
	}
	if t.manager {
		if name == "extend" {
			return value{signature: extendSignature}
		}
		return value{}
	}
	if typ, ok := t.Members[name]; ok {
		return w.known.valueOf(typ)
	}
	separator, similar := ".", t.similar(name, called)
	switch {
	case w.extensions[t.Name+"."+name], w.guarded[t.Name+"."+name]:
		return value{}
	case t.Attributes && !called: // a field that scripts may have added under any name
		if similar == "" || len(name) < minAttribute || w.names[name] || w.dynamicAttributes {
			return value{}
		}
	case t.Data && w.names[name]:
		return value{}
	}
	if called {
		separator = ":"
	}
	if similar != "" {
		similar = t.Name + separator + similar
	}
	w.report(at, "there is no", t.Name+separator+name, similar)
	return value{}
}

// similar returns the member whose name is closest to another one, or "". If it is to be called, only methods count.
func (t *Table) similar(name string, called bool) string {
	var candidates []string
	for _, member := range slices.Sorted(maps.Keys(t.Members)) {
		if !called || strings.HasPrefix(t.Members[member], "(") {
			candidates = append(candidates, member)
		}
	}
	return config.Nearest(name, candidates)
}

// minAttribute is the length from which on an attribute that is similar to a field counts as misspelt.
const minAttribute = 4
