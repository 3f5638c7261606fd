package lint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/yuin/gopher-lua/ast"

	"perigee/engine/config"
	"perigee/engine/script/compile"
)

// Source is a script.
type Source struct {
	Name string // in findings, by convention the path
	Text []byte
}

// Finding is a name that nothing defines.
type Finding struct {
	File         string
	Line, Column int    // from 1; Column is 0 if it is unknown
	Problem      string // "there is no server.brodcast"
	Similar      string // what is probably meant; "" if nothing is similar
}

// Place returns "scripts/chat.lua:12:3".
func (f Finding) Place() string {
	place := fmt.Sprintf("%s:%d", f.File, f.Line)
	if f.Column > 0 {
		place += fmt.Sprintf(":%d", f.Column)
	}
	return place
}

// Check returns what it finds in scripts that run together, in the order of the sources. Sources that cannot be parsed are left
// out.
func Check(k Known, sources []Source) []Finding {
	p := newProgram(k)
	var walkers []*walker
	for _, s := range sources {
		chunk, words, err := compile.Parse(s.Name, s.Text)
		if err != nil {
			continue
		}
		w := &walker{program: p, file: s.Name, chunk: chunk, words: words}
		w.run()
		walkers = append(walkers, w)
	}
	p.collected = true
	var all []Finding
	for _, w := range walkers {
		w.run()
		slices.SortStableFunc(w.findings, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		all = append(all, w.findings...)
	}
	return all
}

// program is what is known about all sources. The first pass over them collects it, the second uses it.
type program struct {
	known     Known
	collected bool // the second pass runs

	variables         map[declaration]*usage
	functions         map[*ast.FunctionExpr]*usage // of the local variables that hold them
	globals           map[string]bool              // assigned anywhere
	anyGlobal         bool                         // globals with computed names are assigned
	extensions        map[string]bool              // members that are assigned to libraries: "string.trim"
	names             map[string]bool              // of fields that are assigned, and all strings
	dynamicAttributes bool                         // attributes with computed names are assigned
	guarded           map[string]bool              // names of portable that are tested before they are used
}

func newProgram(k Known) *program {
	return &program{
		known: k, variables: map[declaration]*usage{}, functions: map[*ast.FunctionExpr]*usage{},
		globals: map[string]bool{}, extensions: map[string]bool{}, names: map[string]bool{}, guarded: map[string]bool{},
	}
}

// declaration is the place where a local variable is declared.
type declaration struct {
	node  any // the statement or function
	index int
}

// usage is how a local variable is used.
type usage struct {
	assigned bool        // after its declaration
	reads    int         // how often it is read
	handler  []parameter // those with which the server calls it, if it is a function
	handed   int         // how often it is given to the server as such a function
	mixed    bool        // the server calls it with different kinds of arguments
}

// isGlobal reports whether a global variable exists.
func (p *program) isGlobal(name string) bool {
	_, known := p.known.Globals[name]
	return known || p.globals[name] || p.anyGlobal
}

// similarVariable returns the variable whose name is closest to another one, or "".
func (w *walker) similarVariable(name string) string {
	candidates := slices.Sorted(maps.Keys(w.known.Globals))
	candidates = append(candidates, slices.Sorted(maps.Keys(w.globals))...)
	for _, s := range slices.Backward(w.scopes) {
		candidates = append(candidates, slices.Sorted(maps.Keys(s))...)
	}
	return config.Nearest(name, candidates)
}
