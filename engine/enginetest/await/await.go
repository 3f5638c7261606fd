// Package await has tests wait, with patience: for what a channel brings, and by looking now and then for what they cannot be
// told of. Only tests import it.
package await

import (
	"testing"
	"time"
)

// patience is how long anything may take before a test gives up: a guard against hanging, not a measurement.
const patience = 2 * time.Minute

// Until waits until something holds.
func Until(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	give := time.After(patience)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-give:
			tb.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// Next returns what comes from a channel.
func Next[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		tb.Fatalf("%s: nothing came, want one", what)
		panic("unreachable")
	}
}
