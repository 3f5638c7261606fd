package testkit

import (
	"testing"
	"time"
)

// waitTimeout is how long anything may take before a test fails: a guard against hanging, not a measurement.
const waitTimeout = 2 * time.Minute

// WaitFor polls until condition returns true, and fails the test if that takes too long. what describes the condition.
func WaitFor(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	timeout := time.After(waitTimeout)
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-timeout:
			tb.Fatalf("waited %v for %s", waitTimeout, what)
		}
	}
}

// Receive returns the next value of a channel, and fails the test if none comes. what describes the value.
func Receive[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(waitTimeout):
		tb.Fatalf("%s: received nothing, want one value", what)
		panic("unreachable")
	}
}
