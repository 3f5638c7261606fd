package auth

import (
	"testing"
	"time"
)

// A bucket gives the tokens that it holds and no more; tokens taken beyond that are a debt.
func TestBucket(t *testing.T) {
	const capacity = 3 * time.Second
	var b Bucket
	start := time.Hour
	for i := range 3 {
		if !b.Holds(time.Second, capacity, start) || !b.Allow(time.Second, capacity, start) {
			t.Fatalf("token %d of 3 is refused", i+1)
		}
	}
	if b.Holds(time.Second, capacity, start) || b.Allow(time.Second, capacity, start) {
		t.Error("an empty bucket gives a token")
	}
	if !b.Allow(time.Second, capacity, start+time.Second) {
		t.Error("the token that came back is refused: a refusal must cost nothing")
	}
	if got := b.Take(5*time.Second, capacity, start+time.Second); got != 5*time.Second {
		t.Errorf("Take of 5 s from an empty bucket = a debt of %s, want 5s", got)
	}
	if got := b.Take(time.Second, capacity, start+time.Hour); got > 0 {
		t.Errorf("Take of 1 s from a full bucket = a debt of %s, want none", got)
	}
}
