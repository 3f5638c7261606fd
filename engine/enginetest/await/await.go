// Package await has tests wait for what they cannot be told of, by looking now and then. Only tests import it.
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
