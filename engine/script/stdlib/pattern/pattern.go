// Package pattern owns Lua's patterns: it compiles them and searches texts for matches. Its Budget makes library calls
// cancellable. It must not know the functions of the string library.
package pattern

import (
	"slices"
	"strings"
)

const (
	maxCaptures = 32    // captures of a pattern, as in Lua 5.1
	maxItems    = 10000 // items of a pattern
)

// Pattern is a compiled pattern: a chain of items without alternatives. So at a given item the same captures are always open
// and closed: they are numbered when the pattern is compiled, and backtracking need not restore them.
type Pattern struct {
	items    []item
	captures []capture
	anchored bool // begins with ^
	lead     int  // the item that a match must begin with; -1 if there is none
}

type capture byte

const (
	captureOpen     capture = iota // its end is missing
	captureText                    // of a part of the subject
	capturePosition                // of a position
)

type itemKind byte

const (
	itemText     itemKind = iota // text, never repeated
	itemAny                      // any byte
	itemByte                     // the byte first
	itemSet                      // a byte of set
	itemOpen                     // capture number slot begins
	itemClose                    // capture number slot ends
	itemPosition                 // capture number slot is this position
	itemBack                     // the text of capture number slot
	itemBalance                  // from first to second, balanced
	itemFrontier                 // between a byte outside and a byte inside of set
	itemEnd                      // the end of the subject
	itemFault                    // the pattern is wrong from here on, as text says; an error only if a match comes to it
)

type item struct {
	kind          itemKind
	repeat        byte // ?, *, + or -; 0 for once
	first, second byte
	slot          int
	text          string
	set           *set
}

// set is a set of bytes.
type set [4]uint64

func (s *set) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *set) add(from, to byte) {
	for b := int(from); b <= int(to); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

// Anchored reports whether p matches only at the beginning of a text.
func (p *Pattern) Anchored() bool { return p.anchored }

// Captures returns the number of captures.
func (p *Pattern) Captures() int { return len(p.captures) }

// class returns the set of a class letter (%a, or %A for its complement); ok is false for any other byte.
func class(letter byte) (s set, ok bool) {
	n := strings.IndexByte("acdlpsuwxz", letter|0x20)
	if n < 0 {
		return s, false
	}
	ranges := [...]string{ // pairs of first and last
		"AZaz", "\x00\x1f\x7f\x7f", "09", "az", "!/:@[`{~", "\t\r  ", "AZ", "09AZaz", "09AFaf", "\x00\x00",
	}[n]
	for i := 0; i < len(ranges); i += 2 {
		s.add(ranges[i], ranges[i+1])
	}
	if letter&0x20 == 0 {
		s.invert()
	}
	return s, true
}

func (s *set) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// addEscaped adds the meaning of % and b: a class, or b itself.
func (s *set) addEscaped(b byte) {
	members, ok := class(b)
	if !ok {
		s.add(b, b)
	}
	for i := range s {
		s[i] |= members[i]
	}
}

// compiler reads a pattern from left to right.
type compiler struct {
	Pattern

	rest    string // not yet read
	literal []byte // read bytes that match themselves and are not yet part of an item
	open    []int  // captures whose end has not been read
}

func compile(text string, anchors bool) *Pattern {
	c := &compiler{rest: text}
	if anchors && strings.HasPrefix(text, "^") {
		c.anchored = true
		c.rest = text[1:]
	}
	for c.rest != "" && c.item() {
		if len(c.items) > maxItems {
			c.fault("pattern too complex")
			break
		}
	}
	c.flush()
	c.lead = slices.IndexFunc(c.items, func(i item) bool {
		return i.kind != itemOpen && i.kind != itemClose && i.kind != itemPosition
	})
	if c.lead >= 0 {
		lead := &c.items[c.lead]
		if lead.kind > itemSet || lead.kind == itemAny || lead.repeat != 0 && lead.repeat != '+' {
			c.lead = -1
		}
	}
	return &Pattern{items: c.items, captures: c.captures, anchored: c.anchored, lead: c.lead}
}

// flush adds the literal as an item.
func (c *compiler) flush() {
	if len(c.literal) > 0 {
		c.items = append(c.items, item{kind: itemText, text: string(c.literal)})
		c.literal = c.literal[:0]
	}
}

func (c *compiler) add(i item) bool {
	c.flush()
	c.items = append(c.items, i)
	return i.kind != itemFault
}

// fault ends the pattern with an error.
func (c *compiler) fault(text string) bool {
	return c.add(item{kind: itemFault, text: text})
}

// item reads one item. It returns false if the pattern is wrong.
func (c *compiler) item() bool {
	b := c.rest[0]
	switch {
	case b == '(':
		return c.openCapture()
	case b == ')':
		c.rest = c.rest[1:]
		if len(c.open) == 0 {
			return c.fault("invalid pattern capture")
		}
		slot := c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
		c.captures[slot] = captureText
		return c.add(item{kind: itemClose, slot: slot})
	case b == '$' && len(c.rest) == 1:
		c.rest = ""
		return c.add(item{kind: itemEnd})
	case b == '%' && len(c.rest) > 1:
		switch next := c.rest[1]; {
		case next == 'b':
			return c.balance()
		case next == 'f':
			return c.frontier()
		case '0' <= next && next <= '9':
			return c.backReference(int(next) - '1')
		}
	}
	return c.singleByte()
}

func (c *compiler) openCapture() bool {
	c.rest = c.rest[1:]
	slot := len(c.captures)
	if slot == maxCaptures {
		return c.fault("too many captures")
	}
	if strings.HasPrefix(c.rest, ")") {
		c.rest = c.rest[1:]
		c.captures = append(c.captures, capturePosition)
		return c.add(item{kind: itemPosition, slot: slot})
	}
	c.captures = append(c.captures, captureOpen)
	c.open = append(c.open, slot)
	return c.add(item{kind: itemOpen, slot: slot})
}

func (c *compiler) balance() bool {
	if len(c.rest) < 4 {
		return c.fault("unbalanced pattern")
	}
	i := item{kind: itemBalance, first: c.rest[2], second: c.rest[3]}
	c.rest = c.rest[4:]
	return c.add(i)
}

func (c *compiler) frontier() bool {
	c.rest = c.rest[2:]
	if !strings.HasPrefix(c.rest, "[") {
		return c.fault("missing '[' after '%f' in pattern")
	}
	s, ok := c.set()
	return ok && c.add(item{kind: itemFrontier, set: s})
}

func (c *compiler) backReference(slot int) bool {
	c.rest = c.rest[2:]
	if slot < 0 || slot >= len(c.captures) || c.captures[slot] == captureOpen {
		return c.fault("invalid capture index")
	}
	return c.add(item{kind: itemBack, slot: slot})
}

// single reads an item for one byte, and how often it is repeated.
func (c *compiler) singleByte() bool {
	i := item{}
	switch b := c.rest[0]; b {
	case '.':
		i.kind = itemAny
		c.rest = c.rest[1:]
	case '[':
		s, ok := c.set()
		if !ok {
			return false
		}
		i.kind, i.set = itemSet, s
	case '%':
		if len(c.rest) == 1 {
			return c.fault("malformed pattern (ends with '%')")
		}
		i.kind, i.first = itemByte, c.rest[1]
		if members, ok := class(i.first); ok {
			i.kind, i.set = itemSet, &members
		}
		c.rest = c.rest[2:]
	default:
		i.kind, i.first = itemByte, b
		c.rest = c.rest[1:]
	}
	if c.rest != "" && strings.IndexByte("?*+-", c.rest[0]) >= 0 {
		i.repeat = c.rest[0]
		c.rest = c.rest[1:]
	}
	if i.kind == itemByte && i.repeat == 0 {
		c.literal = append(c.literal, i.first)
		return true
	}
	return c.add(i)
}

// set reads [...]. The byte after [ or [^ is a member even if it is ].
func (c *compiler) set() (*set, bool) {
	s := &set{}
	at := 1
	complement := strings.HasPrefix(c.rest[at:], "^")
	if complement {
		at++
	}
	body := at
	for first := true; first || at < len(c.rest) && c.rest[at] != ']'; first = false {
		if at < len(c.rest) && c.rest[at] == '%' {
			at++
		}
		at++
	}
	if at >= len(c.rest) {
		return nil, c.fault("malformed pattern (missing ']')")
	}
	// The ] is included: in [a-%%] the range ends with the first %, and the second one escapes the ].
	members, n := c.rest[body:at+1], at-body
	c.rest = c.rest[at+1:]
	for i := 0; i < n; i++ {
		switch {
		case members[i] == '%':
			i++
			s.addEscaped(members[i])
		case i+2 < n && members[i+1] == '-':
			s.add(members[i], members[i+2])
			i += 2
		default:
			s.add(members[i], members[i])
		}
	}
	if complement {
		s.invert()
	}
	return s, true
}
