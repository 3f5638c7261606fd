package pattern

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const (
	maxPatterns    = 256 // compiled patterns that a cache keeps
	maxKeptPattern = 128 // bytes of a pattern that is kept
)

// Cache keeps the compiled patterns and the idle matchers of one VM. Like the VM, it is used by one goroutine at a time.
type Cache struct {
	patterns map[key]*Pattern // compiled ones, at most maxPatterns
	matchers []*Matcher       // idle ones
}

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{patterns: make(map[key]*Pattern)} }

// key is a pattern's text, and whether ^ at its beginning is an anchor (it is none in gmatch).
type key struct {
	text    string
	anchors bool
}

// Pattern returns the compiled pattern of a text. anchors says whether a ^ at the beginning is an anchor.
func (c *Cache) Pattern(text string, anchors bool) *Pattern {
	k := key{text, anchors}
	if p, ok := c.patterns[k]; ok {
		return p
	}
	p := compile(text, anchors)
	if len(text) <= maxKeptPattern {
		if len(c.patterns) >= maxPatterns {
			clear(c.patterns)
		}
		c.patterns[key{strings.Clone(text), anchors}] = p
	}
	return p
}

// Matcher returns a matcher for one call by L, to be released after it.
func (c *Cache) Matcher(L *lua.LState, subject string, p *Pattern) *Matcher {
	var m *Matcher
	if n := len(c.matchers); n > 0 {
		m = c.matchers[n-1]
		c.matchers = c.matchers[:n-1]
	} else {
		m = &Matcher{}
	}
	m.Budget, m.subject, m.pattern = NewBudget(L), subject, p
	return m
}

// Release puts a matcher back. A call that ends with an error need not release its matcher.
func (c *Cache) Release(m *Matcher) {
	const enough = 8 // calls of gsub within callbacks of gsub are rare
	if len(c.matchers) < enough && cap(m.retries) <= maxKeptPattern {
		m.Budget, m.subject, m.pattern = Budget{}, "", nil
		c.matchers = append(c.matchers, m)
	}
}
