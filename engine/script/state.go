package script

import (
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Store keeps the tables of server.state for as long as the server runs, whatever scripts run on it. It is owned by the
// loop.
type Store struct {
	tables map[string]*lua.LTable
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{tables: map[string]*lua.LTable{}} }

// state returns the table of that name, made of initial the first time.
func (p *Program) state(L *lua.LState) int {
	name, initial := name(L, "state"), L.OptTable(2, L.NewTable())
	tables := p.options.Store.tables
	table, ok := tables[name]
	if !ok {
		copied, err := value.Copy(initial)
		if err != nil {
			L.RaiseError("state %q must be plain data: %s", name, err)
		}
		table, _ = copied.(*lua.LTable)
		tables[name] = table
	}
	L.Push(table)
	return 1
}
