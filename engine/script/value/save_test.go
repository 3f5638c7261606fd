package value

import (
	"math"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestSaveAndRestore(t *testing.T) {
	// Plain data is saved as JSON that a person can read, and is the same again when it is restored.
	for _, c := range []struct{ source, want string }{
		{`return {}`, `{}`},
		{`return array({})`, `[]`},
		{`return object({})`, `{"json.object":{}}`},
		{`return {1, 2.5, -0.1, 2^53, 1e300, 9007199254740994}`, `[1,2.5,-0.1,9007199254740992,1e+300,9.007199254740994e+15]`},
		{`return {"é", true, false, null}`, `["é",true,false,null]`},
		{`return {a = {b = {c = {}}}, n = null}`, `{"a":{"b":{"c":{}}},"n":null}`},
		{`return {list = array({1, {array({})}})}`, `{"list":{"json.array":[1,[[]]]}}`},
		{`return {["json.array"] = {1}}`, `{"json.table":{"json.array":[1]}}`},
		{`return {["json.array"] = {1}, more = 1}`, `{"json.array":[1],"more":1}`},
		{`return {["json.table"] = {["json.object"] = 1}}`, `{"json.table":{"json.table":{"json.table":{"json.object":1}}}}`},
		{`return array({array({1}), object({x = array({2})})})`, `{"json.array":[{"json.array":[1]},{"json.object":{"x":{"json.array":[2]}}}]}`},
		{`return {["7"] = 1, [""] = 2}`, `{"7":1,"":2}`},
	} {
		v := eval(t, c.source)
		saved, err := Save(nil, v, 0)
		if err != nil || string(saved) != c.want {
			t.Errorf("Save of %s = %s, %v, want %s", c.source, saved, err, c.want)
			continue
		}
		restored, err := Restore(saved)
		if err != nil {
			t.Errorf("Restore(%s) = %v, want nil", saved, err)
			continue
		}
		if again, err := Save(nil, restored, 0); err != nil || string(again) != c.want {
			t.Errorf("Save after Restore of %s = %s, %v, want %s", c.source, again, err, c.want)
		}
		before, _ := Append(nil, v, Limits{})
		if after, err := Append(nil, restored, Limits{}); err != nil || string(after) != string(before) {
			t.Errorf("Append after Restore of %s = %s, %v, want %s", c.source, after, err, before)
		}
	}
}

func TestSaveKeepsMarks(t *testing.T) {
	// A marked list or object keeps its mark when it becomes empty again.
	restore := func(source string) *lua.LTable {
		saved, err := Save(nil, eval(t, source), 0)
		if err != nil {
			t.Fatalf("Save of %s = %v, want nil", source, err)
		}
		v, err := Restore(saved)
		table, ok := v.(*lua.LTable)
		if err != nil || !ok {
			t.Fatalf("Restore(%s) = %v, %v, want a table", saved, v, err)
		}
		return table
	}
	list := restore(`return array({"x"})`)
	list.RawSetInt(1, lua.LNil)
	if got, err := Append(nil, list, Limits{}); err != nil || string(got) != `[]` {
		t.Errorf("a marked list, emptied after Restore = %s, %v, want []", got, err)
	}
	object := restore(`return object({})`)
	object.RawSetInt(1, lua.LTrue)
	if got, err := Append(nil, object, Limits{}); err != nil || string(got) != `{"1":true}` {
		t.Errorf("a marked object with a number for a key, after Restore = %s, %v, want {\"1\":true}", got, err)
	}
}

func TestSaveNegativeZero(t *testing.T) {
	// Even the sign of zero survives.
	saved, err := Save(nil, lua.LNumber(math.Copysign(0, -1)), 0)
	if err != nil {
		t.Fatalf("Save(-0) = %v, want nil", err)
	}
	v, err := Restore(saved)
	n, ok := v.(lua.LNumber)
	if err != nil || !ok || n != 0 || !math.Signbit(float64(n)) {
		t.Errorf("Restore(%s) = %v, %v, want -0", saved, v, err)
	}
}

func TestSaveRefuses(t *testing.T) {
	// A value that cannot be restored exactly is refused with its place, and nothing is written.
	for _, c := range []struct{ source, want string }{
		{`return {a = {print}}`, `value: save a[1]: a function has no JSON form`},
		{`return {a = {b = client}}`, `value: save a.b: userdata is not plain data`},
		{`return {opaque}`, `value: save [1]: userdata is not plain data`},
		{`return {a = coroutine.create(print)}`, `value: save a: a thread has no JSON form`},
		{`local t = {} t.a = {t} return t`, `value: save a[1]: the table contains itself`},
		{`return {a = {1, 2, x = 3}}`, `value: save a: the list also has the key .x`},
		{`return {a = {[5] = 1, x = 3}}`, `neither a list, with the keys 1 to n, nor an object`},
		{`return {a = object({[5] = 1})}`, `value: save a: the table has the key [5]`},
		{`return {a = {[true] = 1}}`, `value: save a: the table has the key [true]`},
		{`return {a = setmetatable({}, {})}`, `value: save a: a table with a metatable is not plain data`},
		{`return {a = 0/0}`, `value: save a: NaN has no JSON form`},
		{`return {a = -1/0}`, `value: save a: an infinite number has no JSON form`},
		{`return {a = "\255"}`, `value: save a: a string that is not UTF-8 has no JSON form`},
		{`return {["\255"] = 1}`, `value: save: a key that is not UTF-8 has no JSON form`},
		{`local t = {} for i = 1, 1000 do t = {t} end return t`, `nested deeper than 1000 levels`},
		{`local t = 1 for i = 1, 501 do t = array({t}) end return t`, `nested deeper than 1000 levels`},
	} {
		got, err := Save([]byte("before"), eval(t, c.source), 0)
		if err == nil || !strings.Contains(err.Error(), c.want) || string(got) != "before" {
			t.Errorf("Save of %s = %s, %v, want nothing and %s", c.source, got, err, c.want)
		}
	}
}

func TestSaveCanBeRestored(t *testing.T) {
	// The deepest data that is saved is not too deep to be restored.
	for _, source := range []string{
		`local t = 1 for i = 1, 1000 do t = {t} end return t`,
		`local t = 1 for i = 1, 500 do t = array({t}) end return t`,
		`local t = object({}) for i = 1, 499 do t = {["json.table"] = t} end return t`,
	} {
		saved, err := Save(nil, eval(t, source), 0)
		if err != nil {
			t.Errorf("Save of %s = %v, want nil", source, err)
			continue
		}
		if _, err := Restore(saved); err != nil {
			t.Errorf("Restore after Save of %s = %v, want nil", source, err)
		}
	}
}

// A restored value can be saved, and Restore accepts the result.
func FuzzRestore(f *testing.F) {
	for _, text := range []string{`{}`, `[]`, `{"json.array":[1]}`, `{"json.object":{"a":1}}`, `{"json.table":{"json.array":5}}`, `{"json.array":{"a":1}}`, `[1e300,-0.0,null]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Restore(text)
		if err != nil {
			t.Skip()
		}
		saved, err := Save(nil, v, 0)
		if err != nil {
			t.Skip() // a mark may contradict what it stands on
		}
		again, err := Restore(saved)
		if err != nil {
			t.Fatalf("Restore(%s), which was saved from %s, = %v, want nil", saved, text, err)
		}
		if twice, err := Save(nil, again, 0); err != nil || string(twice) != string(saved) {
			t.Errorf("Save after Restore(%s) = %s, %v, want the same", saved, twice, err)
		}
	})
}
