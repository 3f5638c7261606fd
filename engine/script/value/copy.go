package value

import lua "github.com/yuin/gopher-lua"

// Copy returns a deep copy of plain data: nil, booleans, numbers, strings, [Null], and tables of these, with their marks. A
// table that occurs twice is one table in the copy, too. For everything else it returns a [*PathError]: functions,
// threads, other userdata, tables with a metatable of their own, keys that are not a string, number or boolean, and tables
// that contain themselves.
func Copy(v lua.LValue) (lua.LValue, error) {
	c := deepCopy{copies: map[*lua.LTable]*lua.LTable{}}
	out, fault := c.value(v)
	return outcome("copy", out, nil, fault)
}

// deepCopy is one call of Copy. It descends table by table, since only so it can tell tables that contain themselves.
type deepCopy struct {
	copies map[*lua.LTable]*lua.LTable // nil while the copy is being made
	depth  int
}

func (c *deepCopy) value(v lua.LValue) (lua.LValue, *PathError) {
	t, ok := v.(*lua.LTable)
	switch {
	case ok:
		return c.table(t)
	case v == nil:
		return lua.LNil, nil
	case isScalar(v):
		return v, nil
	}
	return nil, refuse(kindOf(v) + " is not plain data")
}

func (c *deepCopy) table(from *lua.LTable) (lua.LValue, *PathError) {
	to, seen := c.copies[from]
	switch {
	case to != nil:
		return to, nil
	case seen:
		return nil, refuse("the table contains itself")
	case !isPlain(from):
		return nil, refuse("a table with a metatable is not plain data")
	case c.depth == maxDepth:
		return nil, tooDeep(maxDepth)
	}
	c.copies[from] = nil
	c.depth++
	to, fault := c.entries(from)
	if fault != nil {
		return nil, fault
	}
	c.depth--
	c.copies[from] = to
	return to, nil
}

func (c *deepCopy) entries(from *lua.LTable) (*lua.LTable, *PathError) {
	_, held := countKeys(from, from.Len())
	to := emptyCopy(from, held-from.Len())
	for key, v := from.Next(lua.LNil); key != lua.LNil; key, v = from.Next(key) {
		switch key.(type) {
		case lua.LString, lua.LNumber, lua.LBool:
		default:
			return nil, refuse("a key that is " + kindOf(key) + " is not plain data")
		}
		item, fault := c.value(v)
		if fault != nil {
			return nil, fault.at(key)
		}
		to.RawSet(key, item)
	}
	return to, nil
}

// emptyCopy returns a table with the mark of another, and with room for its list and so many keys.
func emptyCopy(from *lua.LTable, keys int) *lua.LTable {
	to := newTable(from.Len(), keys)
	if isPlain(from) && from.Metatable != nil {
		to.Metatable = from.Metatable
	}
	return to
}

// Copier copies a table in pieces, for scripts that another goroutine runs. It leaves out values that are not plain data.
// Tables may contain themselves, and one that occurs twice is one table in the copy, too.
type Copier struct {
	walk   walk
	copies map[*lua.LTable]*lua.LTable
	to     *lua.LTable // the copy of the table in progress
	result *lua.LTable
}

// NewCopier returns a Copier for a table.
func NewCopier(t *lua.LTable) *Copier {
	c := &Copier{copies: map[*lua.LTable]*lua.LTable{}}
	c.result = c.copyOf(t)
	return c
}

// Step copies [StepEntries] entries and reports whether these were the last.
func (c *Copier) Step() (done bool) { return c.walk.step(StepEntries, c) }

// Result returns the copy after the last step.
func (c *Copier) Result() *lua.LTable { return c.result }

func (c *Copier) enter(t *lua.LTable) { c.to = c.copies[t] }

func (c *Copier) entry(_ *lua.LTable, key, v lua.LValue) {
	if to := c.plain(key); to != lua.LNil {
		c.to.RawSet(to, c.plain(v))
	}
}

// plain returns a value for the copy, or nil if it is not plain data.
func (c *Copier) plain(v lua.LValue) lua.LValue {
	if t, ok := v.(*lua.LTable); ok {
		return c.copyOf(t)
	}
	if isScalar(v) {
		return v
	}
	return lua.LNil
}

// copyOf returns the copy of a table, which is filled later.
func (c *Copier) copyOf(t *lua.LTable) *lua.LTable {
	to := c.copies[t]
	if to == nil {
		to = emptyCopy(t, 0) // to count the keys would take too long for one step
		c.copies[t] = to
		c.walk.queue = append(c.walk.queue, place{table: t})
	}
	return to
}
