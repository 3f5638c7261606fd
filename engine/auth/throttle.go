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

// Throttle counts failed authentications by address, IPv6 by /64. There is one for each door that the key opens: who fails at
// one must not lock others of the same address out of another. Several goroutines may use it.
type Throttle struct {
	mu sync.Mutex
	// Guarded by mu.
	buckets addressBuckets
	refused uint64
}

// NewThrottle returns a Throttle that has seen nothing.
func NewThrottle() *Throttle {
	return &Throttle{buckets: newAddressBuckets(failureInterval, failures)}
}

// Allow tells whether a password from addr may be compared at all. Where not, answer as to a wrong one.
func (t *Throttle) Allow(addr netip.Addr, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	allowed := t.buckets.hasToken(network(addr), now)
	if !allowed {
		t.refused++
	}
	return allowed
}

// Fail counts one wrong password from addr.
func (t *Throttle) Fail(addr netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buckets.take(network(addr), now)
	t.refused++
}

// Refused returns how many passwords were wrong, or not to be compared.
func (t *Throttle) Refused() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

// FailureDelay returns how long the answer to a failed authentication is to be held back: 250 to 500 ms, at random, so
// that its time tells nothing.
func FailureDelay() time.Duration {
	return 250*time.Millisecond + rand.N(250*time.Millisecond+1)
}
