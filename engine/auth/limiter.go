package auth

import (
	"net/netip"
	"sync"
	"time"
)

// Limiter limits the connections of one address, IPv6 by /64: new ones a second, and those open at once. It has no
// exceptions: the caller does not ask about loopback addresses. It is safe for concurrent use.
type Limiter struct {
	// Set by NewLimiter, never changed.
	off bool

	mu sync.Mutex
	// Guarded by mu.
	buckets addressBuckets
	open    map[netip.Addr]int // connections of each address that has any
}

// NewLimiter returns a Limiter that lets each address open rate connections a second, and burst at once (at least 1).
// A rate of 0 or less is no limit.
func NewLimiter(rate float64, burst int) *Limiter {
	l := &Limiter{off: rate <= 0, open: map[netip.Addr]int{}}
	if !l.off {
		// An hour for one token is as good as never, and its product with burst does not overflow.
		interval := min(float64(time.Second)/rate, float64(time.Hour))
		l.buckets = newAddressBuckets(time.Duration(interval), max(burst, 1))
	}
	return l
}

// Allow counts a new connection from addr and reports whether it may be opened. If not, it is not counted.
func (l *Limiter) Allow(addr netip.Addr, now time.Time) bool {
	if l.off {
		return true
	}
	network := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.buckets.hasToken(network, now) {
		return false
	}
	l.buckets.take(network, now)
	return true
}

// Acquire counts a connection from addr as open and returns true, or returns false when addr has maximum of them
// already. A maximum of 0 or less is no limit. After each true the caller must call Release once.
func (l *Limiter) Acquire(addr netip.Addr, maximum int) bool {
	network := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if maximum > 0 && l.open[network] >= maximum {
		return false
	}
	l.open[network]++
	return true
}

// Release counts a connection from addr as closed.
func (l *Limiter) Release(addr netip.Addr) {
	network := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[network] <= 1 {
		delete(l.open, network)
		return
	}
	l.open[network]--
}
