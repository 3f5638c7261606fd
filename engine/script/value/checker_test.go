package value

import (
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// check runs a Checker in steps of some entries.
func check(t *lua.LTable, entries int) error {
	c := NewChecker(t)
	for {
		if _, done, err := c.Step(entries); done {
			return err
		}
	}
}

// A Checker finds what Save refuses, with the same error, in steps of any size.
func TestChecker(t *testing.T) {
	for source, want := range map[string]string{
		`{}`: "",
		`{ a = 1, b = "x", c = true, d = { { 1, 2 }, { e = {} } } }`: "",
		`{ shared, shared, { shared } }`:                             "",
		`{ f = print }`:                                              "f: a function has no JSON form",
		`{ a = { 1, { b = coroutine.create(print) } } }`:             "a[2].b: a thread has no JSON form",
		`{ object }`:                   "[1]: userdata is not plain data",
		`{ n = 0/0 }`:                  "n: NaN has no JSON form",
		`{ a = { 1/0 } }`:              "a[1]: an infinite number has no JSON form",
		`{ s = "\255" }`:               "s: a string that is not UTF-8 has no JSON form",
		`{ ["\255"] = 1 }`:             "a key that is not UTF-8 has no JSON form",
		`{ a = { [5] = 1 } }`:          "a: the table has the key [5]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys; write tostring(key) if keys are numbers",
		`{ a = { 1, 2, x = 3 } }`:      "a: the list also has the key .x",
		`{ a = { 1, nil, 3 } }`:        "a: the list has a hole at 2",
		`{ [true] = 1 }`:               "the table has the key [true]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys",
		`{ m = setmetatable({}, {}) }`: "m: a table with a metatable is not plain data",
		`cycle`:                        "a[1].b: the table contains itself",
		`{ 1, cycle }`:                 "[2].a[1].b: the table contains itself",
		`deep`:                         strings.Repeat("[1]", 6) + "..." + strings.Repeat("[1]", 6) + ": nested deeper than 1000 levels",
	} {
		l := lua.NewState()
		l.SetGlobal("object", &lua.LUserData{})
		err := l.DoString(`shared = { x = 1 } cycle = { a = { { } } } cycle.a[1].b = cycle
			deep = {} for _ = 1, 1000 do deep = { deep } end
			result = ` + source)
		if err != nil {
			t.Fatal(err)
		}
		table, _ := l.GetGlobal("result").(*lua.LTable)
		for _, entries := range []int{1, 2, 3, 1000000} {
			got, saved := fmt.Sprint(check(table, entries)), ""
			if _, err := Save(nil, table, 0); err != nil {
				saved = err.Error()
			}
			if wanted := "value: save " + want; want == "" && (got != "<nil>" || saved != "") ||
				want != "" && (strings.Replace(got, "save: ", "save ", 1) != wanted || got != saved) {
				t.Errorf("check of %s in steps of %d = %s, want %q, and what Save says: %s", source, entries, got, want, saved)
			}
		}
		l.Close()
	}
}

// A Checker reports nothing that scripts have corrected or removed between two steps, and finds what they have added ahead of it.
func TestCheckerWhileTablesChange(t *testing.T) {
	for _, row := range []struct{ before, between, want string }{
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `t.a = nil`, "<nil>"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `t.a.b = { x = 1 }`, "<nil>"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `for i = 1, 4 do t.a.b[i] = nil end t.a.b.x = 1`, "<nil>"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `table.remove(t.a.b, 1)`, "<nil>"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `table.insert(t.a.b, 1, 0)`, "<nil>"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `t.a.b = t`, "value: save a.b: the table contains itself"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `t.a.b[4] = print`, "value: save a.b[4]: a function has no JSON form"},
		{`t = { a = { b = { 1, 2, 3, 4 } }, z = 1 }`, `t.z = 0/0`, "value: save z: NaN has no JSON form"},
		{`t = { a = { b = { x = 1, y = 2 } }, z = 1 }`, `t.a.b.x, t.a.b.y = nil, nil t.a.b[1] = 5`, "<nil>"},
		{`t = { a = { b = { x = 1, y = 2 } }, z = 1 }`, `t.a = { b = { x = t.a } } t.a.b.x.b = 1`, "<nil>"},
	} {
		l := lua.NewState()
		if err := l.DoString(row.before); err != nil {
			t.Fatal(err)
		}
		table, _ := l.GetGlobal("t").(*lua.LTable)
		c := NewChecker(table)
		if _, done, err := c.Step(4); done || err != nil { // it is within t.a.b
			t.Fatalf("Step of %s = %t, %v, want more to come", row.before, done, err)
		}
		if err := l.DoString(row.between); err != nil {
			t.Fatal(err)
		}
		var err error
		for done := false; !done; {
			_, done, err = c.Step(1)
		}
		if got := fmt.Sprint(err); got != row.want {
			t.Errorf("the check of %s, with %s after a step, = %s, want %s", row.before, row.between, got, row.want)
		}
		l.Close()
	}
}

func BenchmarkChecker(b *testing.B) {
	l := lua.NewState()
	defer l.Close()
	if err := l.DoString(`t = {} for i = 1, 100000 do t["player" .. i] = { name = "somebody", score = i, list = { 1, 2, 3 } } end`); err != nil {
		b.Fatal(err)
	}
	table, _ := l.GetGlobal("t").(*lua.LTable)
	entries := 0
	for b.Loop() {
		c := NewChecker(table)
		for done := false; !done; {
			n := 0
			n, done, _ = c.Step(5000)
			entries += n
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
}
