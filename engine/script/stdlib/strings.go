package stdlib

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib/pattern"
)

// openString sets the string library and the methods of strings. getmetatable("") is false, so that no script can take
// the methods away from others. gopher-lua's byte returns all bytes, format is Go's, lower and upper destroy invalid UTF-8,
// rep refuses "2" and has no limit, a match without result is nothing instead of nil, patterns lack %f and recurse for
// each byte, and gsub takes quadratic time. Only its len, reverse and sub have the right results.
func (l *library) openString(L *lua.LState) {
	t := L.NewTable()
	register(L, t, map[string]function{
		"byte":    stringByte,
		"char":    stringChar,
		"find":    func(c call) int { return l.stringFind(c, true) },
		"format":  l.stringFormat,
		"gmatch":  l.stringGmatch,
		"gsub":    l.stringGsub,
		"len":     stringLen,
		"lower":   stringLower,
		"match":   func(c call) int { return l.stringFind(c, false) },
		"rep":     stringRep,
		"reverse": stringReverse,
		"sub":     stringSub,
		"upper":   stringUpper,
	})
	L.SetGlobal("string", Shared{Name: "string", Contents: t}.Table(L))
	operator.Open(L, t)
}

// bounds converts Lua's positions, which count from 1 or from the end, to a range of s.
func bounds(s string, first, last int) (from, to int) {
	if first < 0 {
		first += len(s) + 1
	}
	if last < 0 {
		last += len(s) + 1
	}
	from = max(first, 1) - 1
	return from, max(from, min(last, len(s)))
}

func stringByte(c call) int {
	s := c.text(1)
	first := c.optInteger(2, 1)
	from, to := bounds(s, first, c.optInteger(3, first))
	n := c.checkCount(to - from)
	for i := range n {
		c.L.Push(lua.LNumber(s[from+i]))
	}
	return n
}

func stringChar(c call) int {
	n := c.L.GetTop()
	if n > maxValues {
		return c.raise("too many arguments to '%s' (limit %d)", c.name, maxValues)
	}
	b := make([]byte, n)
	for i := range b {
		v := c.integer(i + 1)
		if v < 0 || v > 255 {
			return c.argument(i+1, "invalid value")
		}
		b[i] = byte(v)
	}
	return c.result(string(b))
}

func stringLen(c call) int { return c.numbers(float64(len(c.text(1)))) }

func stringLower(c call) int { return c.result(convertCase(c.text(1), 'A', 'a')) }

func stringUpper(c call) int { return c.result(convertCase(c.text(1), 'a', 'A')) }

// convertCase replaces the 26 letters of one case by those of the other. It leaves all other bytes, also invalid UTF-8.
func convertCase(s string, from, to byte) string {
	first := strings.IndexFunc(s, func(r rune) bool { return rune(from) <= r && r <= rune(from)+25 })
	if first < 0 {
		return s
	}
	b := []byte(s)
	for i := first; i < len(b); i++ {
		if b[i]-from < 26 {
			b[i] += to - from
		}
	}
	return string(b)
}

func stringRep(c call) int {
	s, n := c.text(1), c.integer(2)
	if n <= 0 || s == "" {
		return c.result("")
	}
	if n > maxString/len(s) {
		return c.tooLong()
	}
	return c.result(strings.Repeat(s, n))
}

func stringReverse(c call) int {
	b := []byte(c.text(1))
	slices.Reverse(b)
	return c.result(string(b))
}

func stringSub(c call) int {
	s := c.text(1)
	from, to := bounds(s, c.integer(2), c.optInteger(3, -1))
	if from >= to {
		return c.result("")
	}
	return c.push(pattern.Part(s, from, to))
}
