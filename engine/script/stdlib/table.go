package stdlib

import (
	"sort"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib/pattern"
)

// openTable sets the table library. gopher-lua's concat clamps its indexes and overflows the registry, insert
// accepts too many arguments, remove takes the last element for index 0, sort leaves a half-sorted table after an error,
// and none of them can be interrupted.
func (l *library) openTable(L *lua.LState) {
	t := L.NewTable()
	register(L, t, map[string]function{
		"concat": l.tableConcat,
		"insert": tableInsert,
		"maxn":   tableMaxn,
		"remove": tableRemove,
		"sort":   tableSort,
	})
	L.SetGlobal("table", Shared{Name: "table", Contents: t}.Table(L))
}

// rawGet returns t[i] without metamethods.
func rawGet(t *lua.LTable, i int) lua.LValue {
	if 0 < i && i < lua.MaxArrayIndex {
		return t.RawGetInt(i)
	}
	return t.RawGet(lua.LNumber(i)) // not in the array
}

func (l *library) tableConcat(c call) int {
	t, separator := c.table(), c.optText(2, "")
	from, to := c.optInteger(3, 1), c.optInteger(4, t.Len())
	out := output{call: c, bytes: l.takeBuffer()}
	budget := c.budget()
	for i := from; i <= to; i++ {
		budget.Spend(1)
		switch v := rawGet(t, i).(type) {
		case lua.LString, lua.LNumber:
			out.add(operator.TextOf(v))
		default:
			return c.raise("invalid value (%s) at index %d in table for 'concat'", v.Type(), i)
		}
		if i < to {
			out.add(separator)
		}
	}
	return l.finish(out)
}

func tableInsert(c call) int {
	t := c.ownTable()
	end := t.Len() + 1
	at, value := end, c.L.Get(2)
	switch c.L.GetTop() {
	case 2:
	case 3:
		at, value = c.integer(2), c.L.Get(3)
	default:
		return c.raise("wrong number of arguments to '%s'", c.name)
	}
	switch {
	case at <= end && end >= lua.MaxArrayIndex: // gopher-lua would not count elements beyond it, and overwrite them
		return c.raise("too many elements for '%s' (limit %d)", c.name, lua.MaxArrayIndex-1)
	case at >= end && value == lua.LNil:
	case at >= end:
		t.RawSetInt(at, value)
	case at >= 1:
		t.Remove(end) // a nil behind the last element: else those of a queue would pile up
		t.Insert(at, value)
	default:
		budget := c.budget()
		for i := end; i > at; i-- {
			budget.Spend(1)
			t.RawSetInt(i, rawGet(t, i-1))
		}
		t.RawSetInt(at, value)
	}
	return 0
}

func tableRemove(c call) int {
	t := c.ownTable()
	n := t.Len()
	at := c.optInteger(2, n)
	if at < 1 || at > n {
		return 0
	}
	return c.push(t.Remove(at))
}

func tableMaxn(c call) int {
	most := lua.LNumber(0)
	budget := c.budget()
	c.table().ForEach(func(key, _ lua.LValue) {
		budget.Spend(1)
		if n, ok := key.(lua.LNumber); ok {
			most = max(most, n)
		}
	})
	return c.push(most)
}

// tableSort sorts a copy and writes it back at the end: an error of the order function leaves the table unchanged, and
// an inconsistent order function results in some order.
func tableSort(c call) int {
	t := c.ownTable()
	order := c.L.Get(2)
	if _, ok := order.(*lua.LFunction); !ok && order != lua.LNil {
		c.wrongType(2, "function")
	}
	values := make([]lua.LValue, t.Len())
	for i := range values {
		values[i] = t.RawGetInt(i + 1)
	}
	sort.Sort(&sorter{Budget: c.budget(), values: values, order: order})
	for i, v := range values {
		t.RawSetInt(i+1, v)
	}
	return 0
}

type sorter struct {
	pattern.Budget

	values []lua.LValue
	order  lua.LValue // a function, or nil for <
}

func (s *sorter) Len() int      { return len(s.values) }
func (s *sorter) Swap(i, j int) { s.values[i], s.values[j] = s.values[j], s.values[i] }

func (s *sorter) Less(i, j int) bool {
	s.Spend(1)
	if s.order == lua.LNil {
		return s.L.LessThan(s.values[i], s.values[j])
	}
	s.L.Push(s.order)
	s.L.Push(s.values[i])
	s.L.Push(s.values[j])
	s.L.Call(2, 1)
	less := s.L.ToBool(-1)
	s.L.Pop(1)
	return less
}
