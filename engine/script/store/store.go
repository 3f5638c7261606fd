// Package store owns the tables of server.state, and encodes them for the disk. It must not know files.
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
	// maxText is the maximum of bytes of one table's text. It is made within one turn, so that it is consistent; 10 MB take
	// a fifth of a second of the loop.
	maxText = 16 << 20
	// maxTables is the maximum number of tables. A snapshot takes their names in one turn.
	maxTables = 100_000
	// maxTexts is the maximum of bytes of all texts together. They stay in memory, beside the tables.
	maxTexts = 256 << 20
	// pieceText is the number of bytes after which one step of a snapshot ends: some 20 ms.
	pieceText = 1 << 20
	// maxRefused is the number of bytes that one snapshot may waste on tables that turn out too large: some two seconds, also
	// at the end of the server.
	maxRefused = 256 << 20
)

// bounds are the limits of one store, in bytes except for tables. Tests set their own.
type bounds struct {
	tables  int // maxTables
	text    int // maxText
	texts   int // maxTexts
	piece   int // pieceText
	refused int // maxRefused
}

// Store keeps the tables of server.state for as long as the server runs, over all reloads of the scripts. It is owned by
// the loop.
type Store struct {
	tables    map[string]*lua.LTable
	texts     map[string][]byte // the last text of each table; its bytes are never changed
	faults    map[string]error  // why a table could not be encoded at the last attempt
	size      int               // of all texts, in bytes
	bounds    bounds
	version   uint64           // counts the changes of texts
	buffer    []byte           // scratch space of encode
	compactor *value.Compactor // of the round of Tidy in progress; nil between rounds
}

// New returns an empty store.
func New() *Store {
	return &Store{
		tables: map[string]*lua.LTable{}, texts: map[string][]byte{}, faults: map[string]error{},
		bounds: bounds{tables: maxTables, text: maxText, texts: maxTexts, piece: pieceText, refused: maxRefused},
	}
}

// Table returns the table of that name; the first time, it is a copy of initial. The error names the value in initial that is
// not plain data, or says that there are too many tables.
func (s *Store) Table(name string, initial *lua.LTable) (*lua.LTable, error) {
	if table, ok := s.tables[name]; ok {
		return table, nil
	}
	if len(s.tables) >= s.bounds.tables {
		return nil, fmt.Errorf("cannot be added: there are %d states already", s.bounds.tables)
	}
	copied, err := value.Copy(initial)
	if err != nil {
		return nil, fmt.Errorf("must be plain data: %w", err)
	}
	table, _ := copied.(*lua.LTable)
	s.tables[name] = table
	return table, nil
}

// Has reports whether there is a table of that name.
func (s *Store) Has(name string) bool { return s.tables[name] != nil }

// Saved is the encoded content of a store.
type Saved struct {
	// Texts are the tables as JSON, by name. They are never changed: any goroutine may read them.
	Texts map[string][]byte
	// Version counts the changes of the texts; 0 means the restored texts.
	Version uint64
	// Faults name the tables whose text is out of date, in the order of their names, and why: a value that is not plain
	// data, with its place, or a limit. Each save repeats them until they are corrected.
	Faults []error
}

// Restore fills an empty store with what Save returned. The error names every damaged table.
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

// Save encodes all tables as they are now. A table that cannot be encoded keeps its last text.
func (s *Store) Save() Saved {
	for snapshot := s.StartSnapshot(); !snapshot.Step(); {
	}
	return s.Saved()
}

// Saved returns the texts of the last snapshot.
func (s *Store) Saved() Saved {
	faults := make([]error, 0, len(s.faults))
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		faults = append(faults, s.faults[name])
	}
	return Saved{Texts: maps.Clone(s.texts), Version: s.version, Faults: faults}
}

// Snapshot encodes all tables in pieces: each text is of one moment, but not all are of the same.
type Snapshot struct {
	store   *Store
	names   []string // of the tables that are still to come
	refused int      // bytes of texts that were too large
}

// StartSnapshot begins to encode all tables. Those that could not be encoded the last time come last.
func (s *Store) StartSnapshot() *Snapshot {
	names := slices.Sorted(maps.Keys(s.tables))
	failed := func(name string) int {
		if fault := s.faults[name]; fault != nil && !errors.Is(fault, errSkipped) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(failed(a), failed(b)) })
	return &Snapshot{store: s, names: names}
}

// errSkipped is wrapped by the fault of a table that was not tried.
var errSkipped = errors.New("too many others are too large")

// Step encodes one table, or several small ones, and reports whether these were the last.
func (s *Snapshot) Step() (done bool) {
	for made := 0; made < s.store.bounds.piece && len(s.names) > 0; s.names = s.names[1:] {
		if s.refused >= s.store.bounds.refused {
			s.store.skip(s.names[0])
			continue
		}
		took, refused := s.store.encode(s.names[0])
		made, s.refused = made+took, s.refused+refused
	}
	return len(s.names) == 0
}

// skip notes that a table was not tried.
func (s *Store) skip(name string) {
	if s.faults[name] == nil {
		s.faults[name] = fmt.Errorf("script: state %q: %w", name, errSkipped)
	}
}

// encode makes the text of a table. It returns how many bytes that took, and how many were wasted because the text was too
// large.
func (s *Store) encode(name string) (made, refused int) {
	before, known := s.texts[name]
	room := s.bounds.texts - s.size + len(before)
	limit := max(1, min(room, s.bounds.text))
	text, err := value.Save(s.buffer[:0], s.tables[name], limit)
	s.buffer = text[:0]
	if err != nil {
		fault := reason(err)
		exceeded, ok := errors.AsType[*value.LimitError](err)
		if ok && exceeded.Text {
			refused = limit
		}
		if refused > 0 && room < s.bounds.text {
			fault = fmt.Errorf("all states may have %d MiB of text together, and the others leave %d bytes", s.bounds.texts>>20, max(0, room))
		}
		s.faults[name] = fmt.Errorf("script: state %q: %w", name, fault)
		return s.bounds.piece, refused // the number of bytes written is unknown
	}
	delete(s.faults, name)
	if !known || !bytes.Equal(before, text) {
		s.texts[name] = bytes.Clone(text)
		s.size += len(text) - len(before)
		s.version++
	}
	return len(text), 0
}

// reason reduces an error of package value to the place in the table and the problem.
func reason(err error) error {
	if at, ok := errors.AsType[*value.PathError](err); ok {
		return errors.New(at.Reason())
	}
	return err
}

// Tidy compacts tables, also inside of tables, that keep much more than they hold. Each call goes a part of the way, for about
// a millisecond, and reports whether that was the end of a round. The owner of the store calls it every second or so. Tables
// that scripts change meanwhile may be missed until the next round.
func (s *Store) Tidy() (round bool) {
	if s.compactor == nil {
		s.compactor = &value.Compactor{}
		for _, t := range s.tables {
			s.compactor.Add(t)
		}
	}
	if round = s.compactor.Step(); round {
		s.compactor = nil
	}
	return round
}
