package pattern

import "testing"

func TestManyPatterns(t *testing.T) {
	// The store of compiled patterns does not grow without bound.
	t.Parallel()
	s := NewStore()
	for i := range 10 * maxPatterns {
		s.Pattern(string(rune('!'+i))+"%w", true)
	}
	if got := len(s.patterns); got > maxPatterns {
		t.Errorf("%d patterns are kept, want at most %d", got, maxPatterns)
	}
}
