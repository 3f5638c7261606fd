package value

import (
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// kept returns how many keys gopher-lua remembers for a table.
func kept(t *lua.LTable) int {
	removed, left := countKeys(t, t.Len())
	return removed + left
}

func TestCompact(t *testing.T) {
	// Removed keys are freed; the remaining entries and the table itself stay.
	for _, c := range []struct {
		source  string
		compact bool
		want    string
	}{
		{`local t = {} for i = 1, 1000 do t["k" .. i] = i t["k" .. i] = nil end return t`, true, `{}`},
		{`local t = {} for i = 1, 300 do t["k" .. i] = i end for i = 2, 298 do t["k" .. i] = nil end return t`, true, `{"k1":1,"k299":299,"k300":300}`},
		{`local t = array({}) for i = 1, 1000 do t[i] = i end for i = 1000, 3, -1 do t[i] = nil end return t`, true, `[1,2]`},
		{`local t = object({}) for i = 1, 1000 do t["k" .. i] = i t["k" .. i] = nil end t.z = 1 t.a = 2 return t`, true, `{"z":1,"a":2}`},
		{`local t = {} for i = 1, 100 do t["k" .. i] = i end for i = 34, 100 do t["k" .. i] = nil end return t`, false, ""},
		{`local t = {} for i = 1, 60 do t["k" .. i] = i t["k" .. i] = nil end return t`, false, `{}`},
		{`return {}`, false, `{}`},
	} {
		v, _ := eval(t, c.source).(*lua.LTable)
		metatable, before := v.Metatable, kept(v)
		if got := Compact(v); got != c.compact {
			t.Errorf("Compact of %s = %v, want %v", c.source, got, c.compact)
		}
		if after := kept(v); c.compact && after > fewKeys || !c.compact && after != before {
			t.Errorf("%s keeps %d keys after Compact, %d before, want fewer: %v", c.source, after, before, c.compact)
		}
		if v.Metatable != metatable {
			t.Errorf("Compact of %s changed the metatable", c.source)
		}
		if got, err := Append(nil, v, Limits{}); c.want != "" && (err != nil || string(got) != c.want) {
			t.Errorf("%s after Compact = %s, %v, want %s", c.source, got, err, c.want)
		}
		if Compact(v) {
			t.Errorf("Compact of %s compacts again what it has compacted", c.source)
		}
	}
}

func TestCompactKeepsOtherKeys(t *testing.T) {
	// Keys of every kind are kept, with their values.
	v, _ := eval(t, `local t = {} for i = 1, 1000 do t["k" .. i] = i t["k" .. i] = nil end
		t[true] = 1 t[2.5] = 2 t[-7] = 3 t.x = 4 t[1] = 5 return t`).(*lua.LTable)
	if !Compact(v) {
		t.Fatal("Compact = false, want true")
	}
	for key, want := range map[lua.LValue]lua.LNumber{lua.LTrue: 1, lua.LNumber(2.5): 2, lua.LNumber(-7): 3, lua.LString("x"): 4, lua.LNumber(1): 5} {
		if got := v.RawGet(key); got != want {
			t.Errorf("t[%s] after Compact = %v, want %v", key, got, want)
		}
	}
}

func TestCompactDuringTraversal(t *testing.T) {
	// A traversal that removes what it visits, with a Compact in between, visits every key and ends.
	for _, at := range []int{1, 250, 290, 299} {
		l := newLua(t)
		l.SetGlobal("compact", l.NewFunction(func(l *lua.LState) int {
			Compact(l.CheckTable(1))
			return 0
		}))
		err := l.DoString(fmt.Sprintf(`
			local t, seen = {}, 0
			for i = 1, 300 do t["k" .. i] = i end
			for k in next, t do
				t[k] = nil
				seen = seen + 1
				if seen == %d then compact(t) end
			end
			assert(seen == 300, seen)
			assert(next(t) == nil)`, at))
		if err != nil {
			t.Errorf("Compact after %d keys: %v", at, err)
		}
	}
}

// Keys that are set and removed do not make a table grow.
func TestCompactBounds(t *testing.T) {
	v := newTable(0, 0)
	most := 0
	for i := range 100_000 {
		key := strings.Repeat("x", 30) + fmt.Sprint(i)
		v.RawSetString(key, lua.LTrue)
		v.RawSetString(key, lua.LNil)
		if i%500 == 0 {
			Compact(v)
		}
		most = max(most, kept(v))
	}
	if most > 1000 {
		t.Errorf("a table in which one key lived at a time kept up to %d, want at most 1000", most)
	}
}
