package testkit

import (
	"testing"
	"time"
)

// Timeout is how long anything in a test may take before a test fails: a guard against hanging, not a measurement.
const Timeout = 2 * time.Minute

// WaitFor polls until condition returns true, and fails the test if that takes too long. what describes the condition.
func WaitFor(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	timeout := time.After(Timeout)
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-timeout:
			tb.Fatalf("waited %v for %s", Timeout, what)
		}
	}
}

// WaitForNone polls until left returns 0, and fails the test if the number does not change for too long: what takes long because
// the machine is slow is not a failure. An error of left means that the number is not known now. what describes what is counted.
func WaitForNone(tb testing.TB, what string, left func() (n int, err error)) {
	tb.Helper()
	last := -1
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	timeout := time.NewTimer(Timeout)
	defer timeout.Stop()
	for {
		n, err := left()
		switch {
		case err == nil && n == 0:
			return
		case err == nil && n != last:
			last = n
			timeout.Reset(Timeout)
		}
		select {
		case <-poll.C:
		case <-timeout.C:
			tb.Fatalf("for %v there have been %d %s, want none (the last error: %v)", Timeout, last, what, err)
		}
	}
}

// Receive returns the next value of a channel, and fails the test if none comes. what describes the value.
func Receive[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(Timeout):
		tb.Fatalf("%s: received nothing, want one value", what)
		panic("unreachable")
	}
}
