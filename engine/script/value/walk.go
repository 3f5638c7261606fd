package value

import lua "github.com/yuin/gopher-lua"

// StepEntries is the number of table entries in one step of a [Copier], a [Renewer] or a [Compactor]: about a millisecond.
const StepEntries = 10_000

// walk goes through tables and the tables inside of them, each once and in pieces. Scripts may change the tables between
// two pieces; a table that they add behind the walk may be missed.
type walk struct {
	queue []place // tables to go through; the first one is in progress
	seen  map[*lua.LTable]bool
	after lua.LValue // the key of the first table after which to continue; nil before its first entry
	paths bool       // whether places have paths
}

// place is a table and the path to it.
type place struct {
	table *lua.LTable
	path  string // "[list][1]"; "" without paths
}

// visitor is told of what a walk comes to.
type visitor interface {
	enter(t *lua.LTable)
	entry(t *lua.LTable, key, v lua.LValue)
}

// Add adds a table to go through, unless it was added before.
func (w *walk) Add(t *lua.LTable) { w.add(t, "") }

func (w *walk) add(t *lua.LTable, path string) {
	if w.seen[t] {
		return
	}
	if w.seen == nil {
		w.seen = map[*lua.LTable]bool{}
	}
	w.seen[t] = true
	w.queue = append(w.queue, place{t, path})
}

// find adds what stands at a key of the first table, if it is a table.
func (w *walk) find(v, key lua.LValue) {
	if t, ok := v.(*lua.LTable); ok {
		w.add(t, w.path(key))
	}
}

// path returns the path to a key of the first table.
func (w *walk) path(key lua.LValue) string {
	if !w.paths {
		return ""
	}
	name := "a " + key.Type().String()
	switch key.(type) {
	case lua.LString, lua.LNumber, lua.LBool:
		name = key.String()
	}
	return w.queue[0].path + "[" + name + "]"
}

// step visits so many entries and reports whether these were the last.
func (w *walk) step(entries int, v visitor) (done bool) {
	for ; len(w.queue) > 0; entries-- {
		if entries == 0 {
			return false
		}
		t := w.queue[0].table
		if w.after == nil {
			v.enter(t)
			w.after = lua.LNil
		}
		key, item := t.Next(w.after)
		if key == lua.LNil {
			w.queue, w.after = w.queue[1:], nil
			continue
		}
		w.after = key
		v.entry(t, key, item)
	}
	return true
}

// isScalar reports whether a value is plain data but not a table: nil, a boolean, number or string, or [Null].
func isScalar(v lua.LValue) bool {
	switch v := v.(type) {
	case nil, *lua.LNilType, lua.LBool, lua.LNumber, lua.LString:
		return true
	case *lua.LUserData:
		return v == marks.null
	}
	return false
}
