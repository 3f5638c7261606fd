// Package store keeps the tables of server.state, and makes of them what is written to disk. It knows no file.
package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

const (
	// maxText is how many bytes the text of one table may have: it is made within one turn, so that it is of one moment, and
	// 10 MB hold the loop for a fifth of a second.
	maxText = 16 << 20
	// maxTexts is how many bytes the texts of all tables may have together. They stay in memory, beside what they tell of.
	maxTexts = 256 << 20
	// pieceText is how many bytes of text one step of a round makes before it leaves the rest to the next: some 20 ms.
	pieceText = 1 << 20
	// maxRefused is how many bytes of text one round makes of tables that turn out too large: some two seconds, also at the
	// end of the server.
	maxRefused = 256 << 20
)

// bounds are those of one store, in bytes. Tests have their own.
type bounds struct {
	text    int // maxText
	texts   int // maxTexts
	piece   int // pieceText
	refused int // maxRefused
}

// Store keeps the tables of server.state for as long as the server runs, whatever scripts run on it. It is owned by the
// loop.
type Store struct {
	tables  map[string]*lua.LTable
	texts   map[string][]byte // the last that could be made of each table; none is changed once it stands here
	faults  map[string]error  // why the last attempt could make none, by table
	size    int               // of all texts, in bytes
	bounds  bounds
	version uint64 // counts the changes of texts
	buffer  []byte // where texts are made
	sweep   sweep
}

// New returns an empty store.
func New() *Store {
	return &Store{
		tables: map[string]*lua.LTable{}, texts: map[string][]byte{}, faults: map[string]error{},
		bounds: bounds{text: maxText, texts: maxTexts, piece: pieceText, refused: maxRefused},
	}
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
	// Faults name the tables whose text is not the present one, in the order of their names, and why: what is no plain
	// data, with its place, or a bound. They are told as long as they stand.
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
			s.size += len(texts[name])
		}
	}
	return errors.Join(faults...)
}

// Save makes texts of all tables as they are at this moment. One of which none can be made keeps its last one.
func (s *Store) Save() Saved {
	for round := s.Round(); !round.Step(); {
	}
	return s.Saved()
}

// Saved returns the texts that were made last.
func (s *Store) Saved() Saved {
	faults := make([]error, 0, len(s.faults))
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		faults = append(faults, s.faults[name])
	}
	return Saved{Texts: maps.Clone(s.texts), Version: s.version, Faults: faults}
}

// Round makes texts of all tables, in pieces: each text is of one moment, but not all are of the same.
type Round struct {
	store   *Store
	names   []string // of the tables that are still to come
	refused int      // bytes of texts that were too large
}

// Round begins to make texts. Tables of which none could be made the last time come last.
func (s *Store) Round() *Round {
	names := slices.Sorted(maps.Keys(s.tables))
	failed := func(name string) int {
		if fault := s.faults[name]; fault != nil && !errors.Is(fault, errPassed) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(failed(a), failed(b)) })
	return &Round{store: s, names: names}
}

// errPassed is wrapped by the fault of a table that was not tried.
var errPassed = errors.New("too many others are too large")

// Step makes the text of one table, or of several that are small, and tells whether that was all.
func (r *Round) Step() (done bool) {
	for made := 0; made < r.store.bounds.piece && len(r.names) > 0; r.names = r.names[1:] {
		if r.refused >= r.store.bounds.refused {
			r.store.pass(r.names[0])
			continue
		}
		took, refused := r.store.encode(r.names[0])
		made, r.refused = made+took, r.refused+refused
	}
	return len(r.names) == 0
}

// pass leaves a table out.
func (s *Store) pass(name string) {
	if s.faults[name] == nil {
		s.faults[name] = fmt.Errorf("script: state %q: %w", name, errPassed)
	}
}

// encode makes the text of a table, and returns how many bytes that took, and how many for nothing, as it was too large.
func (s *Store) encode(name string) (made, refused int) {
	before, known := s.texts[name]
	room := s.bounds.texts - s.size + len(before)
	limit := max(1, min(room, s.bounds.text))
	text, err := value.Save(s.buffer[:0], s.tables[name], limit)
	s.buffer = text[:0]
	if err != nil {
		fault := plain(err)
		broken, ok := errors.AsType[*value.LimitError](err)
		if ok && broken.Text {
			refused = limit
		}
		if refused > 0 && room < s.bounds.text {
			fault = fmt.Errorf("all states may have %d MiB of text together, and the others leave %d bytes", s.bounds.texts>>20, max(0, room))
		}
		s.faults[name] = fmt.Errorf("script: state %q: %w", name, fault)
		return s.bounds.piece, refused // what was written is not known
	}
	delete(s.faults, name)
	if !known || !bytes.Equal(before, text) {
		s.texts[name] = bytes.Clone(text)
		s.size += len(text) - len(before)
		s.version++
	}
	return len(text), 0
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
