package value

import (
	"errors"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// newLua returns a state in which scripts find null, array and object as the json module has them, and client, which is
// userdata that writes itself.
func newLua(tb testing.TB) *lua.LState {
	tb.Helper()
	l := lua.NewState()
	tb.Cleanup(l.Close)
	marker := func(mark func(*lua.LTable) error) *lua.LFunction {
		return l.NewFunction(func(l *lua.LState) int {
			if err := mark(l.CheckTable(1)); err != nil {
				l.RaiseError("%s", err.Error())
			}
			l.SetTop(1)
			return 1
		})
	}
	l.SetGlobal("null", Null())
	l.SetGlobal("array", marker(MarkArray))
	l.SetGlobal("object", marker(MarkObject))
	l.SetGlobal("client", &lua.LUserData{Value: self(`{"uuid":"x"}`), Metatable: lua.LNil})
	l.SetGlobal("broken", &lua.LUserData{Value: self(""), Metatable: lua.LNil})
	l.SetGlobal("opaque", &lua.LUserData{Value: 7, Metatable: lua.LNil})
	return l
}

// self is userdata that writes itself; the empty one fails.
type self string

var errSelf = errors.New("no text")

func (s self) AppendJSON(dst []byte) ([]byte, error) {
	if s == "" {
		return append(dst, "half"...), errSelf
	}
	return append(dst, s...), nil
}

// eval runs Lua and returns its one result.
func eval(tb testing.TB, source string) lua.LValue {
	tb.Helper()
	l := newLua(tb)
	if err := l.DoString(source); err != nil {
		tb.Fatalf("%s: %v", source, err)
	}
	return l.Get(-1)
}

func TestAppend(t *testing.T) {
	// Every kind of plain data has one JSON form.
	for _, c := range []struct{ source, want string }{
		{`return nil`, `null`},
		{`return null`, `null`},
		{`return true`, `true`},
		{`return false`, `false`},
		{`return 0`, `0`},
		{`return -0`, `0`},
		{`return 1795384421`, `1795384421`},
		{`return 2^53`, `9007199254740992`},
		{`return -2^53`, `-9007199254740992`},
		{`return 2^53 + 2`, `9.007199254740994e+15`},
		{`return 1e21`, `1e+21`},
		{`return 1e300`, `1e+300`},
		{`return 0.1`, `0.1`},
		{`return -1795384421.635873`, `-1795384421.635873`},
		{`return 1e-7`, `1e-7`},
		{`return ""`, `""`},
		{`return "é\"\\/\n\t\0\31\127<&>"`, `"é\"\\/\n\t\u0000\u001f` + "\x7f" + `<&>"`},
		{`return "a\255b\237\160\128"`, `"a` + "\uFFFD" + `b` + "\uFFFD\uFFFD\uFFFD" + `"`},
		{`return {}`, `{}`},
		{`return array({})`, `[]`},
		{`return object({})`, `{}`},
		{`return array(object({}))`, `[]`},
		{`return object(array({}))`, `{}`},
		{`return {1, "a", {}, null, false}`, `[1,"a",{},null,false]`},
		{`return array({1, 2})`, `[1,2]`},
		{`return {{}, {{}}, array({})}`, `[{},[{}],[]]`},
		{`return {b = 1, a = 2, ["60"] = 3}`, `{"b":1,"a":2,"60":3}`},
		{`return {["x\"y"] = 1, [""] = 2}`, `{"x\"y":1,"":2}`},
		{`return object({"a", "b", x = 1, [-7] = 2})`, `{"1":"a","2":"b","x":1,"-7":2}`},
		{`local t = {1, 2, 3} t[3] = nil return t`, `[1,2]`},
		{`local t = {1} t[1] = nil return t`, `{}`},
		{`local t = {a = 1} t.a = nil return t`, `{}`},
		{`local t = array({1}) t[1] = nil return t`, `[]`},
		{`local t = {z = 1, y = 2} t.z = nil t.x = 3 return t`, `{"y":2,"x":3}`},
		{`local t = {z = 1, y = 2} t.z = nil t.x, t.z = 3, 4 return t`, `{"z":4,"y":2,"x":3}`},
		{`local x = {1} return {a = x, b = x}`, `{"a":[1],"b":[1]}`},
		{`return {c = client, list = {client}}`, `{"c":{"uuid":"x"},"list":[{"uuid":"x"}]}`},
		{`return setmetatable({a = 1}, {__index = {b = 2}})`, `{"a":1}`},
	} {
		v := eval(t, c.source)
		if got, err := Append([]byte("x"), v, Limits{}); err != nil || string(got) != "x"+c.want {
			t.Errorf("Append of %s = %s, %v, want x%s", c.source, got, err, c.want)
		}
		if got, err := (Value{LValue: v}).AppendJSON(nil); err != nil || string(got) != c.want {
			t.Errorf("AppendJSON of %s = %s, %v, want %s", c.source, got, err, c.want)
		}
	}
	if got, err := (Value{}).AppendJSON(nil); err != nil || string(got) != "null" {
		t.Errorf("AppendJSON of no value = %s, %v, want null", got, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	// A value without a JSON form is refused with its path, and dst is unchanged.
	for source, want := range map[string]string{
		`return print`:                                                    `value: encode: a function has no JSON form`,
		`return coroutine.create(print)`:                                  `value: encode: a thread has no JSON form`,
		`return opaque`:                                                   `value: encode: userdata has no JSON form`,
		`return {prizes = {{}, {}, {winner = print}}}`:                    `value: encode prizes[3].winner: a function has no JSON form`,
		`return {["a b"] = {["3x"] = {_x3 = print}}}`:                     `value: encode ["a b"]["3x"]._x3: a function has no JSON form`,
		`return {[("k"):rep(50)] = print}`:                                `value: encode ["` + strings.Repeat("k", 40) + `"...]: a function has no JSON form`,
		`return {{0/0}}`:                                                  `value: encode [1][1]: NaN has no JSON form`,
		`return {a = 1/0}`:                                                `value: encode a: an infinite number has no JSON form`,
		`return {a = -1/0}`:                                               `value: encode a: an infinite number has no JSON form`,
		`local t = {} t.a = {b = t} return t`:                             `value: encode a.b: the table contains itself`,
		`local t = {} t[1] = t return {t}`:                                `value: encode [1][1]: the table contains itself`,
		`return {a = {1, 2, x = 3}}`:                                      `value: encode a: the list also has the key .x`,
		`return {1, [2.5] = 3}`:                                           `value: encode: the list also has the key [2.5]`,
		`return {1, nil, 3}`:                                              `value: encode: the list has a hole at 2`,
		`return array({a = 1})`:                                           `value: encode: the list also has the key .a`,
		`return array({nil, 2})`:                                          `value: encode: the list has a hole at 1`,
		`return {a = {nil, 2}}`:                                           `value: encode a: the table has the key [2]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys; write tostring(key) if keys are numbers`,
		`return {a = 1, [{}] = 2}`:                                        `value: encode: the table has a key that is a table: it is neither a list, with the keys 1 to n, nor an object, with strings for keys`,
		`return {1, 2, [{}] = 3}`:                                         `value: encode: the list also has a key that is a table`,
		`return {a = 1, [true] = 2}`:                                      `value: encode: the table has the key [true]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys`,
		`return object({[2.5] = 1})`:                                      `value: encode: the table has the key [2.5]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys; write tostring(key) if keys are numbers`,
		`return object({[1] = "a", ["1"] = "b"})`:                         `value: encode: the object has the key 1 as a number and as a string`,
		`return {c = broken}`:                                             `value: encode c: no text`,
		`local t = {} for i = 1, 1000 do t = {t} end return t`:            `value: encode ` + strings.Repeat("[1]", 6) + "..." + strings.Repeat("[1]", 6) + `: nested deeper than 1000 levels`,
		`local t = {} t[1] = t for i = 1, 30 do t = {a = t} end return t`: `value: encode a.a.a.a.a.a...[1][1][1][1][1][1]: the table contains itself`,
	} {
		got, err := Append([]byte("x"), eval(t, source), Limits{})
		if err == nil || err.Error() != want || string(got) != "x" {
			t.Errorf("Append of %s = %s, %v, want x and %s", source, got, err, want)
		}
		if _, ok := errors.AsType[*PathError](err); !ok {
			t.Errorf("Append of %s = %T, want a *PathError", source, err)
		}
	}
	if _, err := Append(nil, eval(t, `return {broken}`), Limits{}); !errors.Is(err, errSelf) {
		t.Errorf("Append of failing userdata = %v, want it to wrap its error", err)
	}
}

func TestAppendLimits(t *testing.T) {
	// Depth counts tables inside each other, Keys all members; a value at the limit is accepted.
	for _, c := range []struct {
		source string
		limits Limits
		ok     bool
	}{
		{`return 1`, Limits{Depth: 1}, true},
		{`return {{}}`, Limits{Depth: 2}, true},
		{`return {{}}`, Limits{Depth: 1}, false},
		{`return {a = {b = {1}}}`, Limits{Depth: 3}, true},
		{`return {a = {b = {1}}}`, Limits{Depth: 2}, false},
		{`return {a = {}, b = {c = 1}}`, Limits{Keys: 3}, true},
		{`return {a = {}, b = {c = 1}}`, Limits{Keys: 2}, false},
		{`return {1, 2, 3}`, Limits{Keys: 1}, true},
		{`local t = {} for i = 1, 999 do t = {t} end return t`, Limits{}, true},
		{`local t = {} for i = 1, 1000 do t = {t} end return t`, Limits{Depth: 5000}, false},
	} {
		_, err := Append(nil, eval(t, c.source), c.limits)
		_, limit := errors.AsType[*LimitError](err)
		if (err == nil) != c.ok || limit == c.ok {
			t.Errorf("Append of %s within %+v = %v, want ok %t, else a LimitError", c.source, c.limits, err, c.ok)
		}
	}
}

func TestAppendEnds(t *testing.T) {
	// A few tables that represent 2^100 values are refused instead of filling the memory.
	v := eval(t, `local t = {("x"):rep(10000)} for i = 1, 100 do t = {t, t} end return t`)
	_, err := Append(make([]byte, 0, maxText+1<<16), v, Limits{})
	if limit, ok := errors.AsType[*LimitError](err); !ok || limit.Problem != "the text is larger than 16 MiB" {
		t.Errorf("Append = %v, want the text is larger than 16 MiB", err)
	}
}

// brief is a turn that ends after it has been asked a number of times.
type brief struct{ asks int }

var errOver = errors.New("over")

func (b *brief) Err() error {
	if b.asks--; b.asks < 0 {
		return errOver
	}
	return nil
}

func TestTurnEnds(t *testing.T) {
	// A long value ends with an error when its turn has ended; a short one does not check the turn.
	long := eval(t, `local t = {} for i = 1, 25 do t = {t, t} end return t`)
	text := strings.Repeat("[", 900) + strings.Repeat(`1,{"":[]},`, 1<<16) + "1" + strings.Repeat("]", 900)
	for name, run := range map[string]func(turn Turn) error{
		"Append": func(turn Turn) error { _, err := Append(nil, long, Limits{Turn: turn}); return err },
		"Decode": func(turn Turn) error { _, err := Decode([]byte(text), Limits{Turn: turn}, nil); return err },
	} {
		turn := &brief{asks: 10}
		if err := run(turn); !errors.Is(err, errOver) || turn.asks != -1 {
			t.Errorf("%s in a turn that ends = %v with %d asks left, want %v with none", name, err, turn.asks, errOver)
		}
	}
	never := &brief{}
	if v, err := Decode([]byte(`[1,{"a":2}]`), Limits{Turn: never}, nil); err != nil {
		t.Errorf("Decode of a short text = %v, %v, want no error", v, err)
	}
	if _, err := Append(nil, eval(t, `return {1, {a = 2}}`), Limits{Turn: never}); err != nil {
		t.Errorf("Append of a short value = %v, want no error", err)
	}
}

func TestDeepTables(t *testing.T) {
	// Deep levels are written, and refused, like outer ones.
	v := eval(t, `local t, wide = {}, {} for i = 1, 1e5 do wide[i] = t end for i = 1, 998 do wide = {wide} end return wide`)
	if out, err := Append(nil, v, Limits{}); err != nil || len(out) != 2*998+2+3e5-1 {
		t.Errorf("Append = %d bytes, %v, want %d", len(out), err, int(2*998+2+3e5-1))
	}
	v = eval(t, `local t = {} t[1] = t for i = 1, 500 do t = {t} end return t`)
	if _, err := Append(nil, v, Limits{}); err == nil || !strings.HasSuffix(err.Error(), "the table contains itself") {
		t.Errorf("Append of a table that contains itself 500 levels inside = %v, want it said", err)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	// Objects are written without any allocation, also below the levels that fit into the encoder itself.
	v := eval(t, `local t = {n = 1.5, s = "x", i = 1795384421, c = client} for i = 1, 10 do t = {a = t, b = {}} end return t`)
	buffer := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Append(buffer, v, Limits{}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Append makes %v allocations, want none", n)
	}
}

func TestFields(t *testing.T) {
	// Fields are members without braces; those of the envelope are left out at the top only.
	for source, want := range map[string]string{
		`return {}`:        ``,
		`return array({})`: ``,
		`return {id = 1, name = "x", timestamp = 2}`:                      ``,
		`return {id = 1, a = 2, name = "x", b = {id = 3}, timestamp = 4}`: `"a":2,"b":{"id":3}`,
		`return {prizes = array({})}`:                                     `"prizes":[]`,
		`return object({"a"})`:                                            `"1":"a"`,
	} {
		table := eval(t, source).(*lua.LTable)
		if got, err := (Fields{table}).AppendMembers([]byte("x")); err != nil || string(got) != "x"+want {
			t.Errorf("AppendMembers of %s = %s, %v, want x%s", source, got, err, want)
		}
	}
	if got, err := (Fields{}).AppendMembers([]byte("x")); err != nil || string(got) != "x" {
		t.Errorf("AppendMembers of no table = %s, %v, want x", got, err)
	}
	for source, want := range map[string]string{
		`return {1}`:                         `value: encode fields: the fields must be an object, not a list`,
		`return {1, a = 2}`:                  `value: encode fields: the fields must be an object, not a list`,
		`return {a = 1, b = {print}}`:        `value: encode fields b[1]: a function has no JSON form`,
		`local t = {a = 1} t.b = t return t`: `value: encode fields b: the table contains itself`,
		`return {[2] = 1}`:                   `value: encode fields: the table has the key [2]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys; write tostring(key) if keys are numbers`,
	} {
		table := eval(t, source).(*lua.LTable)
		if got, err := (Fields{table}).AppendMembers([]byte("x")); err == nil || err.Error() != want || string(got) != "x" {
			t.Errorf("AppendMembers of %s = %s, %v, want x and %s", source, got, err, want)
		}
	}
}

func TestStringField(t *testing.T) {
	// StringField finds strings in tables, and reports anything else.
	type found struct {
		text string
		ok   bool
	}
	for source, want := range map[string]found{
		`return {connection = "x"}`: {"x", true},
		`return {connection = 7}`:   {"", false},
		`return {}`:                 {"", true},
		`return "connection"`:       {"", false},
		`return nil`:                {"", false},
		`return setmetatable({}, {__index = {connection = "x"}})`: {"", true},
	} {
		text, ok := Value{LValue: eval(t, source)}.StringField("connection")
		if got := (found{text, ok}); got != want {
			t.Errorf("StringField of %s = %v, want %v", source, got, want)
		}
	}
	if got, ok := (Value{}).StringField("connection"); got != "" || ok {
		t.Errorf("StringField of no value = %q, %t, want nothing, false", got, ok)
	}
}
