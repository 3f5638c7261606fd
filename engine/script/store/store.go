// Package store keeps the tables of server.state, and makes of them what is written to disk. It knows no file.
package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Store keeps the tables of server.state for as long as the server runs, whatever scripts run on it. It is owned by the
// loop.
type Store struct {
	tables  map[string]*lua.LTable
	texts   map[string][]byte // the last that could be made of each table; none is changed once it stands here
	faults  map[string]string // why the last attempt could make none, by table
	version uint64            // counts the changes of texts
	buffer  []byte            // where texts are made
	sweep   sweep
}

// New returns an empty store.
func New() *Store {
	return &Store{tables: map[string]*lua.LTable{}, texts: map[string][]byte{}, faults: map[string]string{}}
}

// Table returns the table of that name, a copy of initial the first time. The error says what in initial is no plain data.
func (s *Store) Table(name string, initial *lua.LTable) (*lua.LTable, error) {
	if table, ok := s.tables[name]; ok {
		return table, nil
	}
	copied, err := value.Copy(initial)
	if err != nil {
		return nil, err
	}
	table, _ := copied.(*lua.LTable)
	s.tables[name] = table
	return table, nil
}

// Has tells whether there is a table of that name.
func (s *Store) Has(name string) bool { return s.tables[name] != nil }

// Saved is what there is to save at one moment.
type Saved struct {
	// Texts are JSON by the tables' names. Nobody changes them: any goroutine may read them.
	Texts map[string][]byte
	// Version tells apart what differs; 0 is what was restored.
	Version uint64
	// Faults name the tables whose text is not the present one, and the place in them of what is no plain data. Each is
	// told once.
	Faults []error
}

// Restore fills an empty store with what Save made. The error has every table that is damaged.
func (s *Store) Restore(texts map[string][]byte) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		v, err := value.Restore(texts[name])
		table, ok := v.(*lua.LTable)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("script: state %q: %w", name, err))
		case !ok:
			faults = append(faults, fmt.Errorf("script: state %q: a %s; a state is a table", name, v.Type()))
		default:
			s.tables[name], s.texts[name] = table, texts[name]
		}
	}
	return errors.Join(faults...)
}

// Save makes texts of all tables. One of which none can be made keeps its last one.
func (s *Store) Save() Saved {
	var faults []error
	changed := false
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		text, err := value.Save(s.buffer[:0], s.tables[name])
		s.buffer = text
		if err != nil {
			if s.faults[name] != err.Error() {
				s.faults[name] = err.Error()
				faults = append(faults, fmt.Errorf("script: state %q: %w", name, plain(err)))
			}
			continue
		}
		delete(s.faults, name)
		if before, ok := s.texts[name]; !ok || !bytes.Equal(before, text) {
			s.texts[name] = bytes.Clone(text)
			changed = true
		}
	}
	if changed {
		s.version++
	}
	return Saved{Texts: maps.Clone(s.texts), Version: s.version, Faults: faults}
}

// plain is an error of a value without what was being done: the place in the state and the problem.
func plain(err error) error {
	if at, ok := errors.AsType[*value.PathError](err); ok {
		return errors.New(at.Plain())
	}
	return err
}

// sweepSteps is how many entries one call of Tidy looks at: about a millisecond.
const sweepSteps = 10_000

// sweep is a walk through all tables of a store, in pieces.
type sweep struct {
	found []*lua.LTable // still to look at; the first one is being looked at
	seen  map[*lua.LTable]bool
	after lua.LValue // the key in the first one behind which to go on; nil is its beginning
}

// Tidy looks for tables, also inside of tables, that keep much more than they hold, and makes them let go of it. It does
// a small part of the way each time, and tells whether it has come to the end of a round; whoever owns the store calls
// it every second or so.
func (s *Store) Tidy() (round bool) {
	w := &s.sweep
	if len(w.found) == 0 {
		w.seen = map[*lua.LTable]bool{}
		for _, t := range s.tables {
			w.find(t)
		}
	}
	for range sweepSteps {
		if len(w.found) == 0 {
			w.seen = nil
			return true
		}
		w.step()
	}
	return false
}

func (w *sweep) find(v lua.LValue) {
	if t, ok := v.(*lua.LTable); ok && !w.seen[t] {
		w.seen[t] = true
		w.found = append(w.found, t)
	}
}

// from is where to go on in the first table.
func (w *sweep) from() lua.LValue {
	if w.after == nil {
		return lua.LNil
	}
	return w.after
}

// step looks at one entry. Scripts may have changed the table since the last one; what that hides is found the next
// time.
func (w *sweep) step() {
	t := w.found[0]
	if w.after == nil {
		value.Compact(t)
		w.after = lua.LNil
	}
	key, v := t.Next(w.after)
	if key == lua.LNil {
		w.found, w.after = w.found[1:], nil
		return
	}
	w.find(v)
	w.after = key
}
