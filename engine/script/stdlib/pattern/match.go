package pattern

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Matcher applies a pattern to a subject. It has its own stack for backtracking, so that neither the pattern nor the
// subject deepens the Go stack, and it counts its steps.
type Matcher struct {
	Budget

	pattern *Pattern
	subject string
	spans   [maxCaptures]span
	retries []retry // at most one for each repeated item
}

// span is the range of a capture, from (included) to (excluded).
type span struct{ from, to int }

// retry is a repeated item that may match another number of bytes: greedy ones give up bytes down to least, lazy ones
// take one more.
type retry struct{ item, at, least int }

// Search finds the first match that begins at or after from. If there is none, start is -1.
func (m *Matcher) Search(from int) (start, end int) {
	for at := from; at <= len(m.subject); at++ {
		if !m.pattern.anchored {
			if at = m.candidate(at); at < 0 {
				break
			}
		}
		if end := m.match(at); end >= 0 {
			return at, end
		}
		if m.pattern.anchored {
			break
		}
	}
	return -1, -1
}

// candidate returns the first place at or after from where the pattern's first item matches, or -1.
func (m *Matcher) candidate(from int) int {
	p := m.pattern
	if p.lead < 0 {
		return from
	}
	lead := &p.items[p.lead]
	rest := m.subject[from:]
	var skip int
	switch lead.kind {
	case itemText:
		skip = strings.Index(rest, lead.text)
		m.Spend(len(lead.text) / 64)
	case itemByte:
		skip = strings.IndexByte(rest, lead.first)
	default:
		for skip < len(rest) && !lead.set.has(rest[skip]) {
			skip++
		}
		if skip == len(rest) {
			skip = -1
		}
	}
	if skip < 0 {
		return -1
	}
	m.Spend(skip / 64)
	return from + skip
}

// match matches the whole pattern at a place and returns the end of the match, or -1.
func (m *Matcher) match(at int) int {
	m.retries = m.retries[:0]
	items := m.pattern.items
	for i := 0; i < len(items); i++ {
		m.Spend(1)
		if at = m.item(i, at); at < 0 {
			if i, at = m.backtrack(); at < 0 {
				return -1
			}
		}
	}
	return at
}

// backtrack returns to the last item that can match another number of bytes. If there is none, at is -1.
func (m *Matcher) backtrack() (i, at int) {
	for n := len(m.retries); n > 0; n-- {
		r := &m.retries[n-1]
		i := &m.pattern.items[r.item]
		if i.repeat != '-' {
			r.at--
			if at = r.at; at == r.least {
				m.retries = m.retries[:n-1]
			}
			return r.item, at
		}
		if r.at < len(m.subject) && i.matches(m.subject[r.at]) {
			r.at++
			return r.item, r.at
		}
		m.retries = m.retries[:n-1]
	}
	return 0, -1
}

// matches reports whether an item for one byte matches b.
func (i *item) matches(b byte) bool {
	switch i.kind {
	case itemAny:
		return true
	case itemByte:
		return i.first == b
	}
	return i.set.has(b)
}

// item matches one item at a place and returns where the next one begins, or -1.
func (m *Matcher) item(n, at int) int {
	i := &m.pattern.items[n]
	switch i.kind {
	case itemAny, itemByte, itemSet:
		return m.repeat(n, at)
	case itemText:
		return m.text(i.text, at)
	case itemOpen, itemPosition:
		m.spans[i.slot].from = at
		return at
	case itemClose:
		m.spans[i.slot].to = at
		return at
	case itemBack:
		if m.pattern.captures[i.slot] == capturePosition {
			return -1
		}
		return m.text(m.subject[m.spans[i.slot].from:m.spans[i.slot].to], at)
	case itemBalance:
		return m.balance(i, at)
	case itemFrontier:
		var before, after byte // 0 beyond the subject
		if at > 0 {
			before = m.subject[at-1]
		}
		if at < len(m.subject) {
			after = m.subject[at]
		}
		if i.set.has(before) || !i.set.has(after) {
			return -1
		}
		return at
	case itemEnd:
		if at < len(m.subject) {
			return -1
		}
		return at
	}
	Raise(m.L, i.text) // itemFault
	return -1
}

func (m *Matcher) text(text string, at int) int {
	m.Spend(len(text) / 64)
	if !strings.HasPrefix(m.subject[at:], text) {
		return -1
	}
	return at + len(text)
}

// repeat matches an item for one byte as often as its suffix says, and pushes the alternatives for backtracking.
func (m *Matcher) repeat(n, at int) int {
	i := &m.pattern.items[n]
	end := len(m.subject)
	least := at
	switch i.repeat {
	case '-':
		m.retries = append(m.retries, retry{n, at, at})
		return at
	case '+':
		least++
	case '?':
		end = min(end, at+1)
	case 0:
		least++
		end = min(end, at+1)
	}
	to := at
	if i.kind == itemAny {
		to = end
	} else {
		for to < end && i.matches(m.subject[to]) {
			to++
		}
		m.Spend((to - at) / 8)
	}
	if to < least {
		return -1
	}
	if to > least {
		m.retries = append(m.retries, retry{n, to, least})
	}
	return to
}

// balance matches from i.first to the balancing i.second.
func (m *Matcher) balance(i *item, at int) int {
	if at == len(m.subject) || m.subject[at] != i.first {
		return -1
	}
	open := 1
	for to := at + 1; to < len(m.subject); to++ {
		switch m.subject[to] {
		case i.second: // before i.first: in %bxx the next x closes
			if open--; open == 0 {
				m.Spend((to - at) / 8)
				return to + 1
			}
		case i.first:
			open++
		}
	}
	m.Spend((len(m.subject) - at) / 8)
	return -1
}

// captures returns the number of values of a match; without captures the whole match is the only value.
func (m *Matcher) captures() int { return max(1, len(m.pattern.captures)) }

// Capture returns the n-th value of a match from start to end.
func (m *Matcher) Capture(n, start, end int) lua.LValue {
	if n >= len(m.pattern.captures) {
		if n > 0 {
			Raise(m.L, "invalid capture index")
		}
		return Part(m.subject, start, end)
	}
	s := m.spans[n]
	switch m.pattern.captures[n] {
	case captureOpen:
		Raise(m.L, "unfinished capture")
	case capturePosition:
		return lua.LNumber(s.from + 1)
	}
	return Part(m.subject, s.from, s.to)
}

// Push pushes all values of a match and returns their count.
func (m *Matcher) Push(start, end int) int {
	n := m.captures()
	for i := range n {
		m.L.Push(m.Capture(i, start, end))
	}
	return n
}

// Part returns a piece of s. A small piece of a large string is copied, so that it does not keep the whole in memory.
func Part(s string, from, to int) lua.LString {
	piece := s[from:to]
	if len(s) > 1024 && len(piece) < len(s)/4 {
		piece = strings.Clone(piece)
	}
	return lua.LString(piece)
}
