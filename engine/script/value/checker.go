package value

import (
	"math"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// Checker looks for values that [Save] refuses, in a table and the tables inside of it, in pieces. Scripts may change the tables
// between two pieces; what they store behind the Checker is found by the next one. It does not check the length of the text.
type Checker struct {
	stack []level // from the outermost table to the one in progress
	// The tables that were found, which are not visited again; true means that the table is in stack.
	found map[*lua.LTable]bool
}

// level is a table in progress.
type level struct {
	table  *lua.LTable
	last   lua.LValue // the key that was visited last; nil before the first
	list   bool
	length int // of a list
}

// NewChecker returns a Checker for a table.
func NewChecker(t *lua.LTable) *Checker {
	c := &Checker{found: map[*lua.LTable]bool{}}
	c.push(t)
	return c
}

// Step visits so many entries, of which long strings count as several, and reports whether these were the last. It ends with the
// first value that Save refuses: a [*PathError].
func (c *Checker) Step(entries int) (visited int, done bool, err error) {
	cost, fault := c.resume()
	for visited = cost; fault == nil && visited < entries && len(c.stack) > 0; visited += cost {
		cost, fault = c.next()
	}
	if fault != nil {
		for i := len(c.stack) - 2; i >= 0; i-- {
			fault = fault.at(c.stack[i].last)
		}
		_, err := outcome("save", 0, 0, fault)
		return visited, true, err
	}
	return visited, len(c.stack) == 0, nil
}

// push begins a table.
func (c *Checker) push(t *lua.LTable) {
	c.found[t] = true
	c.stack = append(c.stack, level{table: t})
	c.refresh(len(c.stack) - 1)
}

// refresh reads what decides whether a table is a list. It reports whether that is as before.
func (c *Checker) refresh(at int) bool {
	l := &c.stack[at]
	list := isMarked(l.table, marks.array) || l.table.RawGetInt(1) != lua.LNil && !isMarked(l.table, marks.object)
	same := list == l.list
	if l.list, l.length = list, 0; list {
		l.length = l.table.Len()
	}
	return same
}

// resume drops the tables that are no longer where they were found, and visits what has taken their place. It begins those again
// that have become lists or objects.
func (c *Checker) resume() (cost int, fault *PathError) {
	for i := range c.stack {
		if !c.refresh(i) {
			c.stack[i].last = nil
		}
		if i+1 == len(c.stack) {
			break
		}
		now := lua.LNil
		if c.stack[i].last != nil {
			now = c.stack[i].table.RawGet(c.stack[i].last)
		}
		if now != c.stack[i+1].table {
			for _, dropped := range c.stack[i+1:] {
				delete(c.found, dropped.table)
			}
			c.stack = c.stack[:i+1]
			return c.visit(c.stack[i].last, now)
		}
	}
	return 0, nil
}

// next visits the next entry, or ends the table. It returns how much that counts, and what Save refuses, with the path from the
// table in progress.
func (c *Checker) next() (cost int, fault *PathError) {
	l := &c.stack[len(c.stack)-1]
	from := l.last
	if from == nil {
		if fault := c.checkTable(l.table); fault != nil {
			return 1, fault
		}
		from = lua.LNil
	}
	key, v := l.table.Next(from)
	if key == lua.LNil {
		c.found[l.table] = false
		c.stack = c.stack[:len(c.stack)-1]
		return 1, nil
	}
	l.last = key
	if fault := l.checkKey(from, key); fault != nil {
		return 1, fault
	}
	return c.visit(key, v)
}

// visit visits the value at a key of the table in progress.
func (c *Checker) visit(key, v lua.LValue) (cost int, fault *PathError) {
	const bytesPerEntry = 64 // of a string that is checked
	if t, ok := v.(*lua.LTable); ok {
		inStack, found := c.found[t]
		switch {
		case inStack:
			return 1, containsItself().at(key)
		case !found:
			c.push(t)
		}
		return 1, nil
	}
	if isSaved(v) {
		text, _ := v.(lua.LString)
		return 1 + len(text)/bytesPerEntry, nil
	}
	e := encoder{exact: true}
	if _, fault = e.value(nil, v); fault != nil {
		fault = fault.at(key)
	}
	return 1, fault
}

func (c *Checker) checkTable(t *lua.LTable) *PathError {
	switch {
	case len(c.stack) > maxDepth:
		return tooDeep(maxDepth)
	case !isPlain(t):
		return notPlain()
	}
	return nil
}

// checkKey checks the key that follows another one.
func (l *level) checkKey(before, key lua.LValue) *PathError {
	if !l.list {
		if name, ok := key.(lua.LString); ok && utf8.ValidString(string(name)) {
			return nil
		}
		return badKey(key)
	}
	expected := 1
	if n, ok := before.(lua.LNumber); ok {
		expected = int(n) + 1
	}
	switch {
	case key == lua.LNumber(expected):
		return nil
	case expected <= l.length:
		return hole(expected)
	default:
		return superfluousKey(key)
	}
}

// isSaved reports whether Save accepts a value that is not a table.
func isSaved(v lua.LValue) bool {
	switch v := v.(type) {
	case lua.LNumber:
		return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
	case lua.LString:
		return utf8.ValidString(string(v))
	default:
		return isScalar(v)
	}
}
