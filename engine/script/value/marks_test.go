package value

import (
	"strings"
	"testing"
)

func TestMarksHold(t *testing.T) {
	// Scripts can neither reach a mark nor take it off, and a marked table is otherwise like any other.
	for source, want := range map[string]string{
		`return getmetatable(array({}))`:                                             `"json.array"`,
		`return getmetatable(object({}))`:                                            `"json.object"`,
		`return getmetatable(null)`:                                                  `"json.null"`,
		`local t = array({}) return {pcall(setmetatable, t, nil) == false, t}`:       `[true,[]]`,
		`local t = array({}) return {pcall(setmetatable, t, {}) == false, t}`:        `[true,[]]`,
		`local t = array({}) t[1] = 1 table.insert(t, 2) return {#t, t.x == nil, t}`: `[2,true,[1,2]]`,
		`local t = {} return {array(t) == t, object(t) == t, t}`:                     `[true,true,{}]`,
		`return {array({}) == array({})}`:                                            `[false]`,
		`return {null == null, null == nil, null == false, type(null)}`:              `[true,false,false,"userdata"]`,
		`return tostring(null)`:                                                      `"null"`,
		`return {pcall(array, setmetatable({}, {})) == false}`:                       `[true]`,
		`return select(2, pcall(object, setmetatable({}, {}))):match("value:.*")`:    `"value: mark a table: it has a metatable"`,
	} {
		if got, err := Append(nil, eval(t, source), Limits{}); err != nil || string(got) != want {
			t.Errorf("%s = %s, %v, want %s", source, got, err, want)
		}
	}
}

func TestMarksAreShared(t *testing.T) {
	// A table marked in one state is marked in every other, and null is the same everywhere.
	for _, text := range []string{`[[],{},null]`, `{"a":[],"b":{}}`} {
		v := decode(t, text, nil)
		l := newLua(t)
		l.SetGlobal("v", v)
		if err := l.DoString(`assert(not v[3] or v[3] == null) v.a = v.a return v`); err != nil {
			t.Fatal(err)
		}
		if got, err := Append(nil, l.Get(-1), Limits{}); err != nil || string(got) != text {
			t.Errorf("%s came out of another state as %s, %v", text, got, err)
		}
	}
}

func TestPathError(t *testing.T) {
	// A path reads like Lua and stays short.
	e := refuse("why")
	e.Op = "copy"
	if got := e.Error(); got != "value: copy: why" {
		t.Errorf("Error() = %s, want value: copy: why", got)
	}
	for range 12 {
		e = e.at(eval(t, `return "a"`))
	}
	if got, want := e.Path(), strings.TrimPrefix(strings.Repeat(".a", 12), "."); got != want {
		t.Errorf("Path() = %s, want %s", got, want)
	}
	e = e.at(eval(t, `return 1`))
	if got, want := e.Path(), "[1].a.a.a.a.a....a.a.a.a.a.a"; got != want {
		t.Errorf("Path() = %s, want %s", got, want)
	}
}
