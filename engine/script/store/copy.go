package store

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Copy is a copy of one table for another store, made in pieces. Step is for the owner of the first store, and
// [Store.TakeCopy], after the last step, for the owner of the other.
type Copy struct{ *value.Copier }

// StartCopy begins to copy a table for scripts that another goroutine runs; it returns nil if there is no table of that name.
// Values that are not plain data are left out.
func (s *Store) StartCopy(name string) *Copy {
	table := s.tables[name]
	if table == nil {
		return nil
	}
	return &Copy{value.NewCopier(table)}
}

// TakeCopy puts a completed copy into the store.
func (s *Store) TakeCopy(name string, c *Copy) { s.tables[name] = c.Result() }

// Renew returns a Renewer for all tables, to be used in pieces after other scripts have taken over; see [value.NewRenewer] for
// replace.
func (s *Store) Renew(replace func(v lua.LValue) lua.LValue) *value.Renewer {
	r := value.NewRenewer(replace)
	for _, t := range s.tables {
		r.Add(t)
	}
	return r
}
