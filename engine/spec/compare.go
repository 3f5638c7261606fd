package spec

import (
	"fmt"
	"iter"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
)

// Bounds of the output of a failure.
const (
	maxDifferences = 20
	maxDepth       = 100 // levels of tables; deeper levels are not compared
	maxShown       = 600 // bytes of one value
)

// comparison collects the differences of two values.
type comparison struct {
	subset      bool // the actual objects may have more members
	differences []string
}

// compare returns a line for each difference, or none if the values are equal. With subset, objects may have more members than
// expected, but lists must not have more items.
func compare(expected, actual lua.LValue, subset bool) []string {
	c := &comparison{subset: subset}
	c.values("", expected, actual, 0)
	if n := len(c.differences); n > maxDifferences {
		return append(c.differences[:maxDifferences], fmt.Sprintf("and %d more", n-maxDifferences))
	}
	return c.differences
}

func (c *comparison) values(path string, expected, actual lua.LValue, depth int) {
	want, isTable := expected.(*lua.LTable)
	got, isToo := actual.(*lua.LTable)
	if !isTable || !isToo {
		if expected != actual {
			c.differ(path, expected, actual)
		}
		return
	}
	if want == got || depth > maxDepth {
		return
	}
	for key, v := range members(want) {
		c.values(path+step(key), v, got.RawGet(key), depth+1)
	}
	if c.subset && got.Len() == 0 {
		return
	}
	for key, v := range members(got) {
		if want.RawGet(key) == lua.LNil {
			c.differ(path+step(key), lua.LNil, v)
		}
	}
}

// members iterates over a table in the order of its keys, unlike LTable.ForEach.
func members(t *lua.LTable) iter.Seq2[lua.LValue, lua.LValue] {
	return func(yield func(key, v lua.LValue) bool) {
		for key, v := t.Next(lua.LNil); key != lua.LNil && yield(key, v); {
			key, v = t.Next(key)
		}
	}
}

func (c *comparison) differ(path string, expected, actual lua.LValue) {
	line := fmt.Sprintf("expected %s, got %s", show(expected), show(actual))
	if path = strings.TrimPrefix(path, "."); path != "" {
		line = path + ": " + line
	}
	c.differences = append(c.differences, line)
}

// step formats a key as in a Lua expression.
func step(key lua.LValue) string {
	if name, ok := key.(lua.LString); ok {
		if regexp.MustCompile(`^[A-Za-z_]\w*$`).MatchString(string(name)) {
			return "." + string(name)
		}
		return fmt.Sprintf("[%q]", string(name))
	}
	return "[" + key.String() + "]"
}

// show formats a value in one line, as JSON if possible.
func show(v lua.LValue) string {
	if v == lua.LNil {
		return "nothing"
	}
	text, err := value.Append(nil, v, value.Limits{})
	if err != nil {
		text = []byte(v.String())
	}
	if len(text) > maxShown {
		return strings.ToValidUTF8(string(text[:maxShown]), "") + "..."
	}
	return string(text)
}
