package value

import (
	"fmt"
	"maps"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// FromGo returns the Lua value of decoded TOML: map[string]any, slices of any, maps and strings, string, bool, int, int64,
// float64, time.Time and nil. Keys are set in alphabetical order, an empty slice is marked as a list, times become strings
// as TOML writes them, and nil becomes [Null]. For anything else, and for integers beyond 2^53, it returns a
// [*PathError].
func FromGo(v any) (lua.LValue, error) {
	out, fault := fromGo(v, 0)
	return outcome("convert", out, nil, fault)
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
		return nil, refuse(fmt.Sprintf("a %T is not plain data", v))
	}
}

func fromInteger(n int64) (lua.LValue, *PathError) {
	if n > maxInteger || n < -maxInteger {
		return nil, tooMuch("an integer beyond 2^53; write it as a string")
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

// layout returns how TOML writes a time. Local dates and times have no offset; BurntSushi/toml marks them by the name of
// their location.
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
