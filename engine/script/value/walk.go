package value

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// StepEntries is the number of table entries in one step of a [Copier], a [Renewer] or a [Compactor]: about a millisecond.
const StepEntries = 10_000

// walk goes through tables and the tables inside of them, each once and in pieces. Scripts may change the tables between
// two pieces; a table that they add behind the walk may be missed.
type walk struct {
	queue  []place // tables to go through; the first one is in progress
	seen   map[*lua.LTable]bool
	after  lua.LValue // the key of the first table after which to continue; nil before its first entry
	paths  bool       // whether places have a parent
	parent *place     // a copy of the first place, if paths is true
}

// place is a table and where it was found. The path to it is a chain and no text: a text for each of many nested tables would
// take time and memory with the square of their depth.
type place struct {
	table  *lua.LTable
	parent *place     // of the table that contains it; nil if it was added by the caller
	key    lua.LValue // in the parent
}

// visitor is called for each table and each entry of a walk.
type visitor interface {
	enter(t *lua.LTable)
	entry(t *lua.LTable, key, v lua.LValue)
}

// Add adds a table to go through, unless it was added before.
func (w *walk) Add(t *lua.LTable) { w.add(place{table: t}) }

func (w *walk) add(p place) {
	if w.seen[p.table] {
		return
	}
	if w.seen == nil {
		w.seen = map[*lua.LTable]bool{}
	}
	w.seen[p.table] = true
	w.queue = append(w.queue, p)
}

// find adds the value at a key of the first table, if it is a table.
func (w *walk) find(v, key lua.LValue) {
	if t, ok := v.(*lua.LTable); ok {
		w.add(place{table: t, parent: w.parent, key: key})
	}
}

// path returns the path to a key of the first table, or to that table itself if key is nil: "[list][1]". Without paths it is "".
func (w *walk) path(key lua.LValue) string {
	const shown = 6        // steps at each end; deeper paths lose their middle
	var steps []lua.LValue // from the inside out
	if key != nil && w.paths {
		steps = append(steps, key)
	}
	for p := w.parent; p != nil && p.parent != nil; p = p.parent {
		steps = append(steps, p.key)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		if len(steps) > 2*shown && i == len(steps)-1-shown {
			b.WriteString("...")
			i = shown - 1
		}
		b.WriteString("[" + keyName(steps[i]) + "]")
	}
	return b.String()
}

// keyName returns a key as the path of a walk shows it.
func keyName(key lua.LValue) string {
	const longest = 40 // bytes
	switch key.(type) {
	case lua.LString, lua.LNumber, lua.LBool:
		if name := key.String(); len(name) <= longest {
			return name
		} else {
			return strings.ToValidUTF8(name[:longest], "") + "..."
		}
	}
	return "a " + key.Type().String()
}

// step visits so many entries and reports whether these were the last.
func (w *walk) step(entries int, v visitor) (done bool) {
	for ; len(w.queue) > 0; entries-- {
		if entries == 0 {
			return false
		}
		t := w.queue[0].table
		if w.after == nil {
			if w.paths {
				first := w.queue[0]
				w.parent = &first
			}
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
