package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/config"
	"perigee/engine/script/value"
	"perigee/engine/wire"
)

// CheckName returns the first argument, the name of something that is registered.
func CheckName(L *lua.LState, kind string) string {
	name := L.CheckString(1)
	if name == "" || len(name) > 255 {
		L.ArgError(1, "a "+kind+"'s name has 1 to 255 bytes")
	}
	return name
}

// CheckStrings returns the arguments from n on, which must be strings or lists of strings.
func CheckStrings(L *lua.LState, n int) []string {
	var all []string
	for ; n <= L.GetTop(); n++ {
		t, ok := L.Get(n).(*lua.LTable)
		if !ok {
			all = append(all, L.CheckString(n))
			continue
		}
		for i := 1; i <= t.Len(); i++ {
			s, ok := t.RawGetInt(i).(lua.LString)
			if !ok {
				L.ArgError(n, fmt.Sprintf("strings expected, got a %s", t.RawGetInt(i).Type()))
			}
			all = append(all, string(s))
		}
	}
	return all
}

// CheckMilliseconds returns an argument, 0 to a year of milliseconds, as a duration.
func CheckMilliseconds(L *lua.LState, n int) time.Duration {
	d := Duration(float64(L.CheckNumber(n)))
	if d < 0 {
		L.ArgError(n, "milliseconds from 0 to a year expected")
	}
	return d
}

// Duration converts milliseconds. It returns -1 unless they are 0 to a year.
func Duration(ms float64) time.Duration {
	if !(ms >= 0 && ms <= 365*24*3600*1000) {
		return -1
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// CheckOptions returns an error that names the first unknown option.
func CheckOptions(options *lua.LTable, known ...string) error {
	var err error
	options.ForEach(func(k, _ lua.LValue) {
		if key, ok := k.(lua.LString); (!ok || !slices.Contains(known, string(key))) && err == nil {
			begin := "; there are: "
			if similar := config.Nearest(k.String(), known); similar != "" {
				begin = fmt.Sprintf("; did you mean %q? There are: ", similar)
			}
			err = fmt.Errorf("unknown option %q%s%s", k.String(), begin, strings.Join(known, ", "))
		}
	})
	return err
}

// Option returns an option of one type, which kind describes in the error; the zero value if it is not given.
func Option[T lua.LValue](options *lua.LTable, name, kind string) (T, error) {
	given := options.RawGetString(name)
	v, ok := given.(T)
	if !ok && given != lua.LNil {
		return v, fmt.Errorf("%s must be %s, not a %s", name, kind, given.Type())
	}
	return v, nil
}

// PushResult returns a value to Lua, or nil and the error.
func PushResult(L *lua.LState, v lua.LValue, err error) int {
	if err == nil {
		return Push(L, v)
	}
	L.Push(lua.LNil)
	L.Push(lua.LString(Sentence(err)))
	return 2
}

// PushCopy returns a copy of a value of the host to Lua, as a table that scripts may change.
func PushCopy(L *lua.LState, v wire.Value) int {
	text, err := v.AppendJSON(nil)
	Raise(L, err)
	copied, err := value.Decode(text, value.Limits{}, nil)
	Raise(L, err)
	return Push(L, copied)
}

// ToLua returns the Lua value of a value that scripts have passed through the host; nil for any other.
func ToLua(v wire.Value) lua.LValue {
	if v, ok := v.(value.Value); ok && v.LValue != nil {
		return v.LValue
	}
	return lua.LNil
}
