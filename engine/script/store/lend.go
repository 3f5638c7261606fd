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
	// Lost is how many values were bound to the scripts before and are gone.
	Lost int
}

// Renew begins to put replace's answer in the place of whatever is no plain data; nil is nothing.
func (s *Store) Renew(replace func(v lua.LValue) lua.LValue) *Renewal {
	r := &Renewal{replace: replace, sweep: sweep{seen: map[*lua.LTable]bool{}}}
	for _, t := range s.tables {
		r.sweep.find(t)
	}
	return r
}

// Step goes on for about a millisecond, and tells whether that was all.
func (r *Renewal) Step() (done bool) {
	w := &r.sweep
	for range sweepSteps {
		if len(w.found) == 0 {
			return true
		}
		t := w.found[0]
		key, v := t.Next(w.from())
		if key == lua.LNil {
			w.found, w.after = w.found[1:], nil
			continue
		}
		w.after = key
		if w.find(v); value.IsScalar(v) {
			continue
		}
		if _, table := v.(*lua.LTable); table {
			continue
		}
		replaced := r.replace(v)
		if replaced == nil {
			r.Lost++
			replaced = lua.LNil
		}
		t.RawSet(key, replaced)
	}
	return false
}
