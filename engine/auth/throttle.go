package auth

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Failed authentications: an address may fail 10 times at once and regains one try each 6 seconds, which is 10 a minute.
const (
	failures        = 10
	failureInterval = 6 * time.Second
)

// Throttle limits failed authentications by address, IPv6 by /64. Each way to authenticate has one of its own, so that
// failures on one do not lock out other users of the same address on another. It is safe for concurrent use.
type Throttle struct {
	mu sync.Mutex
	// Guarded by mu.
	buckets addressBuckets
	refused uint64
}

// NewThrottle returns a Throttle without any failures.
func NewThrottle() *Throttle {
	return &Throttle{buckets: newAddressBuckets(failureInterval, failures)}
}

// Allow reports whether a password from addr may be compared at all. If not, answer as if it were wrong.
func (t *Throttle) Allow(addr netip.Addr, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	allowed := t.buckets.hasToken(Network(addr), now)
	if !allowed {
		t.refused++
	}
	return allowed
}

// Fail counts one wrong password from addr.
func (t *Throttle) Fail(addr netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buckets.take(Network(addr), now)
	t.refused++
}

// Refused returns how many passwords were wrong or not compared.
func (t *Throttle) Refused() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

// FailureDelay returns how long to delay the answer to a failed authentication: 250 to 500 ms, at random, so that its timing
// reveals nothing.
func FailureDelay() time.Duration {
	return 250*time.Millisecond + rand.N(250*time.Millisecond+1)
}
