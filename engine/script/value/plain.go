package value

import (
	"fmt"
	"maps"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// FromGo returns the Lua value of Go data such as TOML decodes to: map[string]any, slices of any, maps and strings,
// string, bool, int, int64, float64, time.Time and nil. Keys come in the order of the alphabet, an empty slice is marked
// as a list, times become strings as TOML writes them, and nil becomes [Null]. Anything else, and integers beyond 2^53,
// are a [*PathError].
func FromGo(v any) (lua.LValue, error) {
	out, fault := fromGo(v, 0)
	if fault != nil {
		return nil, fault.while("convert")
	}
	return out, nil
}

func fromGo(v any, depth int) (lua.LValue, *PathError) {
	if depth > maxDepth {
		return nil, tooDeep(maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return marks.null, nil
	case string:
		return lua.LString(v), nil
	case bool:
		return lua.LBool(v), nil
	case int:
		return fromInteger(int64(v))
	case int64:
		return fromInteger(v)
	case float64:
		return lua.LNumber(v), nil
	case time.Time:
		return lua.LString(v.Format(layout(v))), nil
	case []any:
		return fromSlice(v, depth)
	case []map[string]any:
		return fromSlice(v, depth)
	case []string:
		return fromSlice(v, depth)
	case map[string]any:
		t := newTable(0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			item, fault := fromGo(v[key], depth+1)
			if fault != nil {
				return nil, fault.at(lua.LString(key))
			}
			t.RawSetString(key, item)
		}
		return t, nil
	default:
		return nil, refuse(fmt.Sprintf("a %T is no plain data", v))
	}
}

func fromInteger(n int64) (lua.LValue, *PathError) {
	if n > maxInteger || n < -maxInteger {
		return nil, tooMuch("an integer beyond 2^53")
	}
	return lua.LNumber(n), nil
}

func fromSlice[T any](s []T, depth int) (lua.LValue, *PathError) {
	t := newTable(len(s), 0)
	if len(s) == 0 {
		t.Metatable = marks.array
	}
	for i, item := range s {
		v, fault := fromGo(item, depth+1)
		if fault != nil {
			return nil, fault.at(lua.LNumber(i + 1))
		}
		t.RawSetInt(i+1, v)
	}
	return t, nil
}

// layout returns how TOML writes a time. Its local dates and times have no offset; BurntSushi/toml, which knows them,
// tells them by the name of their location.
func layout(t time.Time) string {
	switch t.Location().String() {
	case "datetime-local":
		return "2006-01-02T15:04:05.999999999"
	case "date-local":
		return time.DateOnly
	case "time-local":
		return "15:04:05.999999999"
	default:
		return time.RFC3339Nano
	}
}

// Copy returns a deep copy of plain data: nil, booleans, numbers, strings, [Null], and tables of these, with their marks. A
// table that occurs twice is one table in the copy too. Everything else is a [*PathError]: functions, threads, other
// userdata, tables with a metatable of their own, keys that are no string, number or boolean, and tables that contain
// themselves.
func Copy(v lua.LValue) (lua.LValue, error) {
	c := copier{done: map[*lua.LTable]*lua.LTable{}}
	out, fault := c.value(v)
	if fault != nil {
		return nil, fault.while("copy")
	}
	return out, nil
}

// copier is one call of Copy.
type copier struct {
	done   map[*lua.LTable]*lua.LTable // nil while the copy is being made
	inside int                         // levels
}

func (c *copier) value(v lua.LValue) (lua.LValue, *PathError) {
	switch v := v.(type) {
	case nil:
		return lua.LNil, nil
	case *lua.LNilType, lua.LBool, lua.LNumber, lua.LString:
		return v, nil
	case *lua.LTable:
		return c.table(v)
	case *lua.LUserData:
		if v == marks.null {
			return v, nil
		}
	}
	return nil, refuse(kind(v) + " is no plain data")
}

func (c *copier) table(from *lua.LTable) (lua.LValue, *PathError) {
	if to, seen := c.done[from]; seen {
		if to == nil {
			return nil, refuse("the table contains itself")
		}
		return to, nil
	}
	if !isPlain(from) {
		return nil, refuse("a table with a metatable is no plain data")
	}
	if c.inside == maxDepth {
		return nil, tooDeep(maxDepth)
	}
	c.inside++
	c.done[from] = nil
	to, fault := c.contents(from)
	if fault != nil {
		return nil, fault
	}
	c.done[from] = to
	c.inside--
	return to, nil
}

// contents copies the list part of a table, then its keys.
func (c *copier) contents(from *lua.LTable) (*lua.LTable, *PathError) {
	length := from.Len()
	last := afterList(length)
	keys := 0
	for key, _ := from.Next(last); key != lua.LNil; key, _ = from.Next(key) {
		keys++
	}
	to := newTable(length, keys)
	if from.Metatable != nil {
		to.Metatable = from.Metatable
	}
	for i := 1; i <= length; i++ {
		v, fault := c.value(from.RawGetInt(i))
		if fault != nil {
			return nil, fault.at(lua.LNumber(i))
		}
		to.RawSetInt(i, v)
	}
	for key, v := from.Next(last); key != lua.LNil; key, v = from.Next(key) {
		switch key.(type) {
		case lua.LString, lua.LNumber, lua.LBool:
		default:
			return nil, refuse("a key that is " + kind(key) + " is no plain data")
		}
		inner, fault := c.value(v)
		if fault != nil {
			return nil, fault.at(key)
		}
		to.RawSet(key, inner)
	}
	return to, nil
}
