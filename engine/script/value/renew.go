package value

import lua "github.com/yuin/gopher-lua"

// Renewer makes tables of one Lua machine those of another, in place, so that one that others know too stays the same. It
// goes over each table once, however many values hold it.
type Renewer struct {
	// Replace returns what stands for a function, a thread or userdata other than [Null]; nil is nothing. What it has
	// returned it returns as it is.
	Replace func(v lua.LValue) lua.LValue

	seen map[*lua.LTable]bool
	open []renewed // tables that are still to look at, the last one first
	lost loss
}

// renewed is a table and where it stands.
type renewed struct {
	table *lua.LTable
	path  string
}

// Renew renews a value, and names the first thing that became nothing: "a function at [callback]".
func (r *Renewer) Renew(v lua.LValue) (out lua.LValue, lost string) {
	if r.seen == nil {
		r.seen = map[*lua.LTable]bool{}
	}
	r.lost = ""
	out = r.value(v, "")
	for len(r.open) > 0 {
		last := len(r.open) - 1
		now := r.open[last]
		r.open = r.open[:last]
		r.entries(now.table, now.path)
	}
	return out, string(r.lost)
}

func (r *Renewer) entries(t *lua.LTable, path string) {
	if Bare(t) {
		r.lost.note("a metatable", path)
	}
	foreign := false
	for key, v := t.Next(lua.LNil); key != lua.LNil; key, v = t.Next(key) {
		if !IsScalar(key) {
			foreign = true
			r.find(key, path, key)
		}
		if IsScalar(v) {
			continue
		}
		if _, table := v.(*lua.LTable); table {
			r.find(v, path, key)
			continue
		}
		if replaced := r.value(v, path+"["+keyText(key)+"]"); replaced != v {
			t.RawSet(key, replaced)
		}
	}
	if foreign && Rekey(t, r.Replace) > 0 {
		r.lost.note("a key", path)
	}
}

// find notes a table at a key, unless it is known.
func (r *Renewer) find(v lua.LValue, path string, key lua.LValue) {
	if t, ok := v.(*lua.LTable); ok && !r.seen[t] {
		r.value(t, path+"["+keyText(key)+"]")
	}
}

// value returns what a value becomes; a table is looked at later.
func (r *Renewer) value(v lua.LValue, path string) lua.LValue {
	if t, ok := v.(*lua.LTable); ok {
		if !r.seen[t] {
			r.seen[t] = true
			r.open = append(r.open, renewed{t, path})
		}
		return v
	}
	return r.lost.replaced(v, path, r.Replace)
}

// Bare takes a metatable off a table, unless it is one of the marks, and tells whether there was one.
func Bare(t *lua.LTable) bool {
	if isPlain(t) {
		return false
	}
	t.Metatable = lua.LNil
	return true
}

// IsForeign tells whether replace has another answer for a key than the key.
func IsForeign(key lua.LValue, replace func(v lua.LValue) lua.LValue) bool {
	if _, table := key.(*lua.LTable); table || IsScalar(key) {
		return false
	}
	return replace(key) != key
}

// Rekey puts replace's answer in the place of the keys that are foreign, and lets go of these; an entry of which the new key
// is there already is left out. lost is how many keys have no answer. Tables among the keys stay. It takes one turn, for some
// tenths of a microsecond for each entry.
func Rekey(t *lua.LTable, replace func(v lua.LValue) lua.LValue) (lost int) {
	foreign := false
	for key, _ := t.Next(lua.LNil); key != lua.LNil && !foreign; key, _ = t.Next(key) {
		foreign = IsForeign(key, replace)
	}
	if !foreign {
		return 0
	}
	rebuild(t, t.Len(), 0, func(key lua.LValue) lua.LValue {
		if !IsForeign(key, replace) {
			return key
		}
		to := replace(key)
		switch {
		case to == nil:
			lost++
			return lua.LNil
		case t.RawGet(to) != lua.LNil:
			return lua.LNil
		}
		return to
	})
	return lost
}
