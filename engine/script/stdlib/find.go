package stdlib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib/pattern"
)

// stringFind is string.find, and string.match if positions is false.
func (l *library) stringFind(c call, positions bool) int {
	s, text := c.text(1), c.text(2)
	from, _ := bounds(s, c.optInteger(3, 1), 0)
	from = min(from, len(s))
	// Without one of these characters find searches for the text itself: find("a)", ")") is not an error.
	if positions && (lua.LVAsBool(c.L.Get(4)) || !strings.ContainsAny(text, "^$*+?.([%-")) {
		at := strings.Index(s[from:], text)
		if at < 0 {
			return c.push(lua.LNil)
		}
		return c.numbers(float64(from+at+1), float64(from+at+len(text)))
	}
	p := l.patterns.Pattern(text, true)
	m := l.patterns.Matcher(c.L, s, p)
	defer l.patterns.Release(m)
	start, end := m.Search(from)
	switch {
	case start < 0:
		return c.push(lua.LNil)
	case !positions:
		return m.Push(start, end)
	case p.Captures() == 0:
		return c.numbers(float64(start+1), float64(end))
	}
	return c.numbers(float64(start+1), float64(end)) + m.Push(start, end)
}

// stringGmatch returns a function that returns the next match with each call. It needs no further arguments, so that
// it also works outside of a for.
func (l *library) stringGmatch(c call) int {
	s, text := c.text(1), c.text(2)
	p := l.patterns.Pattern(text, false)
	from := 0
	return c.push(newFunction(c.L, "gmatch", func(c call) int {
		if from > len(s) {
			return 0
		}
		m := l.patterns.Matcher(c.L, s, p)
		start, end := m.Search(from)
		if start < 0 {
			from = len(s) + 1
			l.patterns.Release(m)
			return 0
		}
		from = end
		if end == start {
			from++
		}
		n := m.Push(start, end)
		l.patterns.Release(m)
		return n
	}))
}

// stringGsub copies the text between the matches once, and so takes time in proportion to the subject.
func (l *library) stringGsub(c call) int {
	s, text := c.text(1), c.text(2)
	r := replacer{output: output{call: c}, with: c.L.Get(3)}
	switch v := r.with.(type) {
	case lua.LString:
		r.plain = strings.IndexByte(string(v), '%') < 0
	case lua.LNumber:
		r.with, r.plain = lua.LString(operator.Text(float64(v))), true
	case *lua.LTable, *lua.LFunction:
	default:
		return c.argument(3, "string/function/table expected")
	}
	most := c.optInteger(4, len(s)+1)
	p := l.patterns.Pattern(text, true)
	r.subject, r.matcher = s, l.patterns.Matcher(c.L, s, p)
	r.bytes = l.takeBuffer()
	count, copied := 0, 0
	for from := 0; count < most && from <= len(s); {
		start, end := r.matcher.Search(from)
		if start < 0 {
			break
		}
		count++
		r.add(s[copied:start])
		r.replace(start, end)
		copied = end
		if from = end; end == start {
			from++
		}
		if p.Anchored() {
			break
		}
	}
	if count == 0 {
		c.result(s)
	} else {
		r.add(s[copied:])
		c.result(string(r.bytes))
	}
	l.returnBuffer(r.bytes)
	l.patterns.Release(r.matcher)
	c.L.Push(lua.LNumber(count))
	return 2
}

// replacer builds the result of gsub.
type replacer struct {
	output

	subject string
	matcher *pattern.Matcher
	with    lua.LValue // string, table or function
	plain   bool       // with is a string without %
}

// replace adds the replacement of the match from start to end.
func (r *replacer) replace(start, end int) {
	switch with := r.with.(type) {
	case lua.LString:
		if r.plain {
			r.add(string(with))
		} else {
			r.expand(string(with), start, end)
		}
	case *lua.LTable:
		r.value(r.L.GetTable(with, r.matcher.Capture(0, start, end)), start, end)
	case *lua.LFunction:
		r.L.Push(with)
		r.L.Call(r.matcher.Push(start, end), 1)
		v := r.L.Get(-1)
		r.L.Pop(1)
		r.value(v, start, end)
	}
}

// value adds the result of a table or a function; false and nil keep the match.
func (r *replacer) value(v lua.LValue, start, end int) {
	switch {
	case !lua.LVAsBool(v):
		r.add(r.subject[start:end])
	case lua.LVCanConvToString(v):
		r.add(operator.TextOf(v))
	default:
		r.raise("invalid replacement value (a %s)", v.Type())
	}
}

// expand adds a replacement string with %0 to %9. As in Lua 5.1, a % before any other byte is dropped, and as the last byte
// it becomes a zero byte.
func (r *replacer) expand(with string, start, end int) {
	for {
		at := strings.IndexByte(with, '%')
		if at < 0 {
			r.add(with)
			return
		}
		r.add(with[:at])
		if at+1 == len(with) {
			r.addByte(0)
			return
		}
		switch b := with[at+1]; {
		case b == '0':
			r.add(r.subject[start:end])
		case '1' <= b && b <= '9':
			r.add(r.matcher.Capture(int(b-'1'), start, end).String())
		default:
			r.addByte(b)
		}
		with = with[at+2:]
	}
}
