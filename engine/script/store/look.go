package store

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Bounds of the keys of a table that is too large to be shown.
const (
	maxKeys    = 500    // that Look lists
	maxCounted = 10_000 // that it reads, which takes some milliseconds
)

// Size is a table and the length of its last text, in bytes; 0 if it has not been encoded yet.
type Size struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Sizes returns all tables by name.
func (s *Store) Sizes() []Size {
	all := []Size{}
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		all = append(all, Size{name, len(s.texts[name])})
	}
	return all
}

// Key is a key of a table, and what is there.
type Key struct {
	Key  string `json:"key"`
	Type string `json:"type"` // as Lua names it
}

// View is what Look shows: the JSON of a value or, of one that is too large, its keys.
type View struct {
	JSON    []byte
	Problem string // why there is no JSON
	Keys    []Key  // the first 500, if the value is a table without JSON
	Total   int    // how many keys there are; 10,000 stands for that many or more
}

// Look shows a value in a table: that at a path of keys, as JSON of at most limit bytes. found is false if there is none.
func (s *Store) Look(name string, path []string, limit int) (v View, found bool) {
	table, found := s.tables[name]
	if !found {
		return v, false
	}
	at := lua.LValue(table)
	for _, key := range path {
		t, isTable := at.(*lua.LTable)
		if !isTable {
			return v, false
		}
		if at = t.RawGetString(key); at == lua.LNil {
			if n, err := strconv.Atoi(key); err == nil {
				at = t.RawGetInt(n)
			}
		}
	}
	if at == lua.LNil {
		return v, false
	}
	text, err := value.Append(nil, at, value.Limits{Text: limit})
	if err == nil {
		return View{JSON: text}, true
	}
	return keysOf(at, err), true
}

// keysOf returns the keys of a table that cannot be shown.
func keysOf(at lua.LValue, problem error) View {
	v := View{Problem: reason(problem).Error(), Keys: []Key{}}
	if exceeded, ok := errors.AsType[*value.LimitError](problem); ok {
		v.Problem = exceeded.Problem
	}
	t, isTable := at.(*lua.LTable)
	if !isTable {
		return v
	}
	for key, inside := t.Next(lua.LNil); key != lua.LNil && len(v.Keys) < maxCounted; key, inside = t.Next(key) {
		v.Keys = append(v.Keys, Key{key.String(), inside.Type().String()})
	}
	v.Total = len(v.Keys)
	slices.SortFunc(v.Keys, func(a, b Key) int { return strings.Compare(a.Key, b.Key) })
	v.Keys = v.Keys[:min(len(v.Keys), maxKeys)]
	return v
}
