package value

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// Carrier copies a value of one Lua machine for another, in pieces. Plain data stays what it is; of everything else Replace
// says what it becomes. Tables may contain themselves, and one that stands in two places stays one.
type Carrier struct {
	// Replace returns what stands in the copy for a function, a thread or userdata other than [Null]; nil is nothing.
	Replace func(v lua.LValue) lua.LValue

	out    lua.LValue
	copies map[*lua.LTable]*lua.LTable
	open   []carried // tables that are still to copy, the last one first
	lost   loss
}

// carried is a table of which a part is copied.
type carried struct {
	from, to *lua.LTable
	after    lua.LValue // the key behind which to go on
	path     string
}

// Begin takes the value to copy.
func (c *Carrier) Begin(v lua.LValue) {
	c.copies = map[*lua.LTable]*lua.LTable{}
	c.out = c.value(v, "")
}

// Step copies at most so many entries of tables, and tells whether that was the last.
func (c *Carrier) Step(entries int) (done bool) {
	for len(c.open) > 0 {
		n := len(c.open) - 1
		now := c.open[n]
		c.open = c.open[:n]
		for key, v := now.from.Next(now.after); key != lua.LNil; key, v = now.from.Next(key) {
			if entries--; entries < 0 {
				c.open = append(c.open, now)
				return false
			}
			now.after = key
			if IsScalar(key) && IsScalar(v) {
				now.to.RawSet(key, v)
				continue
			}
			at := now.path + "[" + keyText(key) + "]"
			if k := c.value(key, at); k != lua.LNil {
				now.to.RawSet(k, c.value(v, at))
			}
		}
	}
	return true
}

// Result returns the copy once Step is done, and names the first thing that became nothing: "a function at [callback]".
func (c *Carrier) Result() (v lua.LValue, lost string) { return c.out, string(c.lost) }

// value returns what a value becomes; a table is filled later.
func (c *Carrier) value(v lua.LValue, path string) lua.LValue {
	t, table := v.(*lua.LTable)
	if !table {
		return c.lost.replaced(v, path, c.Replace)
	}
	if to := c.copies[t]; to != nil {
		return to
	}
	to := newTable(t.Len(), 0)
	if isPlain(t) {
		if t.Metatable != nil {
			to.Metatable = t.Metatable
		}
	} else {
		c.lost.note("a metatable", path)
	}
	c.copies[t] = to
	c.open = append(c.open, carried{from: t, to: to, after: lua.LNil, path: path})
	return to
}

// IsScalar tells whether a value is plain data and no table: nil, a boolean, number or string, or [Null].
func IsScalar(v lua.LValue) bool {
	switch v := v.(type) {
	case nil, *lua.LNilType, lua.LBool, lua.LNumber, lua.LString:
		return true
	case *lua.LUserData:
		return v == marks.null
	}
	return false
}

// keyText is how a path names a key.
func keyText(key lua.LValue) string {
	switch key.(type) {
	case lua.LString, lua.LNumber, lua.LBool:
		return key.String()
	}
	return fmt.Sprintf("a %s", key.Type())
}
