package pattern

import "testing"

func TestManyPatterns(t *testing.T) {
	// The cache of compiled patterns does not grow without bound.
	t.Parallel()
	c := NewCache()
	for i := range 10 * maxPatterns {
		c.Pattern(string(rune('!'+i))+"%w", true)
	}
	if got := len(c.patterns); got > maxPatterns {
		t.Errorf("%d patterns are kept, want at most %d", got, maxPatterns)
	}
}
