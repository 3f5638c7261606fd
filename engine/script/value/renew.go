package value

import lua "github.com/yuin/gopher-lua"

// Renewer moves tables from one generation of scripts to the next, in place: a table that is part of several values stays one
// table. It removes metatables and replaces values that are not plain data. It goes through each table once, however many
// values contain it.
type Renewer struct {
	walk

	// Lost counts the values, keys and metatables that had no replacement and are gone.
	Lost int

	replace func(v lua.LValue) lua.LValue
	first   string     // the first thing that was lost: "a function at [callback]"
	last    lua.LValue // the value of the entry that was visited last
}

// NewRenewer returns a Renewer without tables. replace returns the replacement of a function, a thread or userdata other than
// [Null], or nil if there is none. Given a value that it has returned, it must return the same value.
func NewRenewer(replace func(v lua.LValue) lua.LValue) *Renewer {
	return &Renewer{replace: replace}
}

// Renew renews a value completely. lost names the first thing that had no replacement: "a function at [callback]".
func (r *Renewer) Renew(v lua.LValue) (out lua.LValue, lost string) {
	r.paths, r.parent, r.first = true, nil, ""
	t, ok := v.(*lua.LTable)
	if !ok {
		return r.renewed(v, nil), r.first
	}
	r.Add(t)
	for !r.step(StepEntries, r) {
		continue
	}
	return t, r.first
}

// Step renews [StepEntries] entries of the tables that were added, and reports whether these were the last. If scripts
// have changed a table at the very key where the last step ended, it renews the whole table at once: no entry may be
// missed.
func (r *Renewer) Step() (done bool) {
	if len(r.queue) > 0 && r.after != nil {
		if t := r.queue[0].table; t.RawGet(r.after) != r.last {
			for r.after = nil; len(r.queue) > 0 && r.queue[0].table == t; {
				r.step(1, r)
			}
		}
	}
	return r.step(StepEntries, r)
}

func (r *Renewer) enter(t *lua.LTable) {
	if !isPlain(t) {
		t.Metatable = lua.LNil
		r.lose("a metatable", nil)
	}
}

func (r *Renewer) entry(t *lua.LTable, key, v lua.LValue) {
	if r.isForeign(key) {
		r.rekey(t)
		r.after = nil // the table has other keys now
		return
	}
	r.find(key, key)
	r.find(v, key)
	r.last = v
	if _, ok := v.(*lua.LTable); !ok && !isScalar(v) {
		if r.last = r.renewed(v, key); r.last != v {
			t.RawSet(key, r.last)
		}
	}
}

// renewed returns the replacement of a value that is not a table, at a key of the first table.
func (r *Renewer) renewed(v, key lua.LValue) lua.LValue {
	if isScalar(v) {
		return v
	}
	to := r.replace(v)
	if to == nil {
		r.lose(kindOf(v), key)
		return lua.LNil
	}
	return to
}

// lose counts something that has no replacement: the value at a key of the first table, or something of that table itself if
// key is nil.
func (r *Renewer) lose(what string, key lua.LValue) {
	r.Lost++
	if r.first != "" {
		return
	}
	r.first = what
	if path := r.path(key); path != "" {
		r.first += " at " + path
	}
}

// isForeign reports whether a key is to be replaced.
func (r *Renewer) isForeign(key lua.LValue) bool {
	if _, table := key.(*lua.LTable); table || isScalar(key) {
		return false
	}
	return r.replace(key) != key
}

// rekey replaces all foreign keys of a table. An entry whose new key the table has already is dropped: the table's own is
// newer. It takes some tenths of a microsecond an entry.
func (r *Renewer) rekey(t *lua.LTable) {
	rebuild(t, t.Len(), 0, func(key lua.LValue) lua.LValue {
		if !r.isForeign(key) {
			return key
		}
		to := r.replace(key)
		if to == nil {
			r.lose("a key", nil)
			return lua.LNil
		}
		if t.RawGet(to) != lua.LNil {
			return lua.LNil
		}
		return to
	})
}
