package value

import (
	"math"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func TestFromGo(t *testing.T) {
	// Data from Go and TOML becomes tables, with keys in alphabetical order.
	local := func(name string) time.Time {
		return time.Date(2026, 11, 23, 7, 5, 0, 500e6, time.FixedZone(name, 3600))
	}
	for _, c := range []struct {
		given any
		want  string
	}{
		{nil, `null`},
		{"é", `"é"`},
		{true, `true`},
		{7, `7`},
		{int64(-1) << 53, `-9007199254740992`},
		{2.5, `2.5`},
		{[]any{}, `[]`},
		{[]string{"a", "b"}, `["a","b"]`},
		{map[string]any{}, `{}`},
		{map[string]any{"b": []any{1, "x", nil, []any{}}, "a": map[string]any{"c": 1.5}, "7": 1}, `{"7":1,"a":{"c":1.5},"b":[1,"x",null,[]]}`},
		{[]map[string]any{{"a": 1}, {}}, `[{"a":1},{}]`},
		{time.Date(2026, 11, 23, 7, 5, 0, 0, time.UTC), `"2026-11-23T07:05:00Z"`},
		{local("CET"), `"2026-11-23T07:05:00.5+01:00"`},
		{local("datetime-local"), `"2026-11-23T07:05:00.5"`},
		{local("date-local"), `"2026-11-23"`},
		{local("time-local"), `"07:05:00.5"`},
	} {
		v, err := FromGo(c.given)
		if err != nil {
			t.Errorf("FromGo(%v) = %v, want nil", c.given, err)
			continue
		}
		if got, err := Append(nil, v, Limits{}); err != nil || string(got) != c.want {
			t.Errorf("FromGo(%v) = %s, %v, want %s", c.given, got, err, c.want)
		}
	}
	if v, err := FromGo(math.Inf(1)); err != nil || v != lua.LNumber(math.Inf(1)) {
		t.Errorf("FromGo(+Inf) = %v, %v, want +Inf, which TOML and Lua have", v, err)
	}
}

func TestFromGoRefuses(t *testing.T) {
	// The error names the type and place of a value that is not plain data.
	for _, c := range []struct {
		given any
		want  string
	}{
		{struct{}{}, "value: convert: a struct {} is not plain data"},
		{map[string]any{"a": []any{1, make(chan int)}}, "value: convert a[2]: a chan int is not plain data"},
		{map[string]any{"a": int64(1)<<53 + 1}, "value: convert a: an integer beyond 2^53; write it as a string"},
	} {
		if got, err := FromGo(c.given); err == nil || err.Error() != c.want {
			t.Errorf("FromGo(%v) = %v, %v, want %s", c.given, got, err, c.want)
		}
	}
	endless := map[string]any{}
	endless["a"] = endless
	if _, err := FromGo(endless); err == nil {
		t.Error("FromGo of a map that contains itself = nil, want an error")
	}
}

func TestCopy(t *testing.T) {
	// A copy is equal, with marks, nulls, holes and odd keys, and shares nothing that could change.
	for _, source := range []string{
		`return nil`, `return null`, `return 1/0`, `return "x"`, `return {}`, `return array({})`, `return object({1})`,
		`return {1, nil, 3, {4, {}}}`, `return {a = {b = {null}}, [2.5] = 1, [true] = 2, [0] = 3, [-1] = 4, "list"}`,
		`local t = {z = 1, y = 2, x = array({})} t.z = nil return t`,
		`local t = {} for i = 1, 1000 do t[i] = {i} end t[1000] = nil return t`,
		`local t = {} for i = 1, 999 do t = {t} end return t`,
	} {
		given := eval(t, source)
		got, err := Copy(given)
		if err != nil || !equal(got, given) {
			t.Errorf("Copy of %s = %v, %v, want an equal value", source, got, err)
		}
		if shared(got, given) {
			t.Errorf("Copy of %s shares a table with it", source)
		}
	}
	if got, err := Copy(nil); err != nil || got != lua.LNil {
		t.Errorf("Copy(nil) = %v, %v, want nil", got, err)
	}
}

func TestCopyKeepsOrderAndSharing(t *testing.T) {
	// Keys keep their order, and a table that occurs twice is one table in the copy, too, so that copies do not grow.
	given := eval(t, `local x = {} for i = 1, 100 do x = {x, x} end return {z = x, b = x, a = 1}`)
	got, err := Copy(given)
	if err != nil {
		t.Fatalf("Copy = %v, want nil", err)
	}
	table := got.(*lua.LTable)
	if table.RawGetString("z") != table.RawGetString("b") {
		t.Error("Copy made two tables of one")
	}
	order := ""
	for key, _ := table.Next(lua.LNil); key != lua.LNil; key, _ = table.Next(key) {
		order += key.String()
	}
	if order != "zba" {
		t.Errorf("keys of the copy are in the order %s, want zba", order)
	}
}

func TestCopyRefuses(t *testing.T) {
	// The error names the value that is not plain data, and its place.
	for source, want := range map[string]string{
		`return print`:                                         `value: copy: a function is not plain data`,
		`return {a = {{}, {b = print}}}`:                       `value: copy a[2].b: a function is not plain data`,
		`return {coroutine.create(print)}`:                     `value: copy [1]: a thread is not plain data`,
		`return {c = client}`:                                  `value: copy c: userdata is not plain data`,
		`local t = {} t.a = {t} return t`:                      `value: copy a[1]: the table contains itself`,
		`return {a = setmetatable({}, {})}`:                    `value: copy a: a table with a metatable is not plain data`,
		`return {[{}] = 1}`:                                    `value: copy: a key that is a table is not plain data`,
		`return {[null] = 1}`:                                  `value: copy: a key that is a json.null is not plain data`,
		`local t = {} for i = 1, 1000 do t = {t} end return t`: `value: copy [1][1][1][1][1][1]...[1][1][1][1][1][1]: nested deeper than 1000 levels`,
	} {
		if got, err := Copy(eval(t, source)); err == nil || err.Error() != want {
			t.Errorf("Copy of %s = %v, %v, want %s", source, got, err, want)
		}
	}
}

// shared reports whether two equal values have a table in common.
func shared(a, b lua.LValue) bool {
	x, ok := a.(*lua.LTable)
	if !ok {
		return false
	}
	y := b.(*lua.LTable)
	if x == y {
		return true
	}
	found := false
	x.ForEach(func(key, v lua.LValue) { found = found || shared(v, y.RawGet(key)) })
	return found
}
