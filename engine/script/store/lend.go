package store

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Loan is a table of one store on its way to another, as a copy.
type Loan struct{ carrier value.Carrier }

// Lend begins to copy a table for scripts that another goroutine runs; nil where there is none of that name. What is no
// plain data is left out. Step is for whoever owns this store, and Borrow, afterwards, for whoever owns the other one.
func (s *Store) Lend(name string) *Loan {
	table := s.tables[name]
	if table == nil {
		return nil
	}
	l := &Loan{value.Carrier{Replace: func(lua.LValue) lua.LValue { return nil }}}
	l.carrier.Begin(table)
	return l
}

// Step copies some more, for about a millisecond, and tells whether that was all.
func (l *Loan) Step() (done bool) { return l.carrier.Step(sweepSteps) }

// Borrow takes the copy in.
func (s *Store) Borrow(name string, l *Loan) {
	copied, _ := l.carrier.Result()
	s.tables[name], _ = copied.(*lua.LTable)
}

// Renewal goes through all tables of a store, in pieces, after other scripts have taken over.
type Renewal struct {
	sweep   sweep
	replace func(v lua.LValue) lua.LValue
	last    lua.LValue // what stands at the key behind which to go on
	// Lost is how many values, keys and metatables were bound to the scripts before and are gone.
	Lost int
}

// Renew begins to put replace's answer in the place of whatever is no plain data; nil is nothing. What replace has returned
// it must return as it is.
func (s *Store) Renew(replace func(v lua.LValue) lua.LValue) *Renewal {
	r := &Renewal{replace: replace, sweep: sweep{seen: map[*lua.LTable]bool{}}}
	for _, t := range s.tables {
		r.sweep.find(t)
	}
	return r
}

// Step goes on for about a millisecond, and tells whether that was all. A table that scripts have changed at the very place
// where it goes on is begun anew, and takes as long as it takes: nothing of it may be left out.
func (r *Renewal) Step() (done bool) {
	w := &r.sweep
	var whole *lua.LTable
	if len(w.found) > 0 && w.after != nil && w.found[0].RawGet(w.after) != r.last {
		whole, w.after = w.found[0], nil
	}
	for n := 0; len(w.found) > 0; n++ {
		if n >= sweepSteps && w.found[0] != whole {
			return false
		}
		r.entry(w.found[0])
	}
	return true
}

// entry renews one entry of the first table.
func (r *Renewal) entry(t *lua.LTable) {
	w := &r.sweep
	if w.after == nil && value.Bare(t) {
		r.Lost++
	}
	key, v := t.Next(w.from())
	if key == lua.LNil {
		w.found, w.after, r.last = w.found[1:], nil, nil
		return
	}
	if value.IsForeign(key, r.replace) {
		r.Lost += value.Rekey(t, r.replace)
		w.after = nil // its keys are others now
		return
	}
	w.find(key)
	w.find(v)
	if _, table := v.(*lua.LTable); !table && !value.IsScalar(v) {
		replaced := r.replace(v)
		if replaced == nil {
			r.Lost++
			replaced = lua.LNil
		}
		t.RawSet(key, replaced)
		v = replaced
	}
	w.after, r.last = key, v
}
