package pattern

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/stdlib/steps"
)

const (
	maxPatterns    = 256 // compiled patterns that a store keeps
	maxKeptPattern = 128 // bytes of a pattern that is kept
)

// Store keeps what one VM has compiled, and lends matchers. Like the VM, it is used by one goroutine at a time.
type Store struct {
	patterns map[key]*Pattern // compiled ones, at most maxPatterns
	matchers []*Matcher       // idle ones
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{patterns: make(map[key]*Pattern)} }

// key is a pattern's text, and whether ^ at its beginning is an anchor (it is none in gmatch).
type key struct {
	text    string
	anchors bool
}

// Pattern compiles text, or finds it compiled. anchors tells whether ^ at its beginning is an anchor.
func (s *Store) Pattern(text string, anchors bool) *Pattern {
	k := key{text, anchors}
	if p, ok := s.patterns[k]; ok {
		return p
	}
	p := compile(text, anchors)
	if len(text) <= maxKeptPattern {
		if len(s.patterns) >= maxPatterns {
			clear(s.patterns)
		}
		s.patterns[key{strings.Clone(text), anchors}] = p
	}
	return p
}

// Matcher lends a matcher for one call of a function by L.
func (s *Store) Matcher(L *lua.LState, subject string, p *Pattern) *Matcher {
	var m *Matcher
	if n := len(s.matchers); n > 0 {
		m = s.matchers[n-1]
		s.matchers = s.matchers[:n-1]
	} else {
		m = &Matcher{}
	}
	m.Budget, m.subject, m.pattern = steps.New(L), subject, p
	return m
}

// Release takes a matcher back. A call that ends with an error may keep it.
func (s *Store) Release(m *Matcher) {
	const enough = 8 // calls of gsub within callbacks of gsub are rare
	if len(s.matchers) < enough && cap(m.retries) <= maxKeptPattern {
		m.Budget, m.subject, m.pattern = steps.Budget{}, "", nil
		s.matchers = append(s.matchers, m)
	}
}
