package auth

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// start is the moment on which all times of these tests are based.
func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// address returns the n-th of many IPv4 addresses.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n))))
}

// An address may fail ten times, then once each six seconds; another one is not affected.
func TestThrottle(t *testing.T) {
	throttle, now := NewThrottle(), start()
	bad, good := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	for i := range 10 {
		if !throttle.Allow(bad, now) {
			t.Fatalf("Allow after %d failures = false, want true", i)
		}
		throttle.Fail(bad, now)
	}
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {5999 * time.Millisecond, false}, {6 * time.Second, true}} {
		if got := throttle.Allow(bad, now.Add(step.after)); got != step.want {
			t.Errorf("Allow %v after the tenth failure = %v, want %v", step.after, got, step.want)
		}
	}
	if !throttle.Allow(good, now) {
		t.Error("Allow(another address) = false, want true")
	}
	throttle.Fail(bad, now.Add(6*time.Second))
	if throttle.Allow(bad, now.Add(6*time.Second)) {
		t.Error("Allow after the eleventh failure = true, want false")
	}
	if got := throttle.Refused(); got != 11+3 {
		t.Errorf("Refused() = %d, want the 11 failures and the 3 that were not allowed", got)
	}
}

// Allow takes no token, and a failure while throttled takes none either.
func TestThrottleTakesNoMore(t *testing.T) {
	throttle, now, addr := NewThrottle(), start(), netip.MustParseAddr("203.0.113.7")
	for range 1000 {
		throttle.Allow(addr, now)
	}
	if !throttle.Allow(addr, now) {
		t.Error("Allow after asking 1,000 times = false, want true")
	}
	for range 1000 {
		throttle.Fail(addr, now)
	}
	if throttle.Allow(addr, now) || !throttle.Allow(addr, now.Add(6*time.Second)) {
		t.Error("after 1,000 failures: want throttled now, and one try 6 s later")
	}
	for i := range 10 {
		if !throttle.Allow(addr, now.Add(time.Minute)) {
			t.Fatalf("one minute later: try %d refused, want ten", i+1)
		}
		throttle.Fail(addr, now.Add(time.Minute))
	}
}

// A subscriber has a /64: its addresses count as one, and those of its neighbours do not; so do the two spellings of an
// IPv4 address.
func TestNetwork(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::2", true},
		{"2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"203.0.113.7", "203.0.113.7", true},
		{"203.0.113.7", "203.0.113.8", false},
		{"203.0.113.7", "::ffff:203.0.113.7", true},
		{"::ffff:203.0.113.7", "::ffff:203.0.113.8", false},
		{"203.0.113.7", "::203.0.113.7", false},
	}
	for _, test := range tests {
		a, b := Network(netip.MustParseAddr(test.a)), Network(netip.MustParseAddr(test.b))
		if (a == b) != test.same {
			t.Errorf("Network(%s) = %v, Network(%s) = %v, want same %v", test.a, a, test.b, b, test.same)
		}
	}
	if got := Network(netip.Addr{}); got.IsValid() {
		t.Errorf("Network(no address) = %v, want no address", got)
	}
}

// Memory is limited, and many addresses that fail a little do not make the throttle forget one that failed often.
func TestThrottleIsBounded(t *testing.T) {
	throttle, now, bad := NewThrottle(), start(), netip.MustParseAddr("2001:db8::1")
	for range failures {
		throttle.Fail(bad, now)
	}
	const addresses = maxBuckets + 10_000
	for i := range addresses {
		throttle.Fail(address(i), now)
	}
	if throttle.Allow(bad, now) {
		t.Errorf("Allow after %d other addresses failed once = true, want false", addresses)
	}
	b := throttle.buckets
	if len(b.byAddr) != maxBuckets || len(b.byFullAt) != maxBuckets {
		t.Errorf("remembers %d and %d addresses, want %d", len(b.byAddr), len(b.byFullAt), maxBuckets)
	}
	// Within the next minute all become full; the first failure after that finds nothing worth keeping.
	throttle.Fail(bad, now.Add(time.Minute))
	if got := len(throttle.buckets.byAddr); got != 1 {
		t.Errorf("a minute later it remembers %d addresses, want 1", got)
	}
}

// The heap and the map have the same buckets, in any order in which addresses are added and dropped.
func TestBucketsAgree(t *testing.T) {
	b, now := newAddressBuckets(time.Second, 5), start()
	for i := range 5_000 {
		now = now.Add(time.Duration(i*7919%13) * 50 * time.Millisecond)
		b.take(address(i*i%97), now)
		for j, bucket := range b.byFullAt {
			if bucket.index != j || b.byAddr[bucket.addr] != bucket || b.byFullAt[0].fullAt > bucket.fullAt {
				t.Fatalf("step %d: bucket %v at %d is out of place", i, bucket, j)
			}
		}
		if len(b.byAddr) != len(b.byFullAt) {
			t.Fatalf("step %d: map has %d, heap has %d", i, len(b.byAddr), len(b.byFullAt))
		}
	}
}

// The delay of a failed answer is between 250 and 500 ms, and not always the same.
func TestFailureDelay(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := FailureDelay()
		if d < 250*time.Millisecond || d > 500*time.Millisecond {
			t.Fatalf("FailureDelay() = %v, want 250 to 500 ms", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("1,000 delays had %d values, want them spread", len(seen))
	}
}

// An address may open a burst of connections, then as many a second as the rate; refused ones do not count.
func TestLimiterAllow(t *testing.T) {
	l, now, addr := NewLimiter(10, 50), start(), netip.MustParseAddr("203.0.113.7")
	count := func(now time.Time) (allowed int) {
		for range 200 {
			if l.Allow(addr, now) {
				allowed++
			}
		}
		return allowed
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 50}, {0, 0}, {time.Second, 10}, {1100 * time.Millisecond, 1}, {time.Hour, 50}} {
		if got := count(now.Add(step.after)); got != step.want {
			t.Errorf("of 200 at %v: %d allowed, want %d", step.after, got, step.want)
		}
	}
	if !l.Allow(netip.MustParseAddr("203.0.113.8"), now) {
		t.Error("Allow(another address) = false, want true")
	}
}

// With extreme rates and bursts, the limit is still neither absent nor permanent.
func TestLimiterEdges(t *testing.T) {
	addr, now := netip.MustParseAddr("203.0.113.7"), start()
	for _, test := range []struct {
		rate  float64
		burst int
		want  int // of 100 at once
	}{{0, 1, 100}, {-1, 0, 100}, {1, 0, 1}, {1, -5, 1}, {1e-300, 3, 3}, {1e300, 3, 3}, {1e-9, 1_000_000, 100}} {
		l, got := NewLimiter(test.rate, test.burst), 0
		for range 100 {
			if l.Allow(addr, now) {
				got++
			}
		}
		if got != test.want {
			t.Errorf("NewLimiter(%v, %d) allowed %d of 100 at once, want %d", test.rate, test.burst, got, test.want)
		}
	}
}

// The connections of an address are limited, a released one can be replaced, and an address without any is forgotten.
func TestLimiterAcquire(t *testing.T) {
	l := NewLimiter(10, 50)
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for i, want := range []bool{true, true, false} {
		if got := l.Acquire([]netip.Addr{a, b}[i%2], 2); got != want {
			t.Errorf("Acquire %d of at most 2 = %v, want %v", i+1, got, want)
		}
	}
	if !l.Acquire(netip.MustParseAddr("203.0.113.7"), 2) || !l.Acquire(a, 0) {
		t.Error("Acquire of another address, or without a maximum = false, want true")
	}
	l.Release(a)
	l.Release(b)
	if !l.Acquire(b, 2) {
		t.Error("Acquire after Release = false, want true")
	}
	l.Release(a)
	l.Release(a)
	l.Release(a)
	l.Release(netip.MustParseAddr("203.0.113.7"))
	if len(l.open) != 0 {
		t.Errorf("after all were released it remembers %v, want nothing", l.open)
	}
}

// Several goroutines together get no more than one would.
func TestLimiterConcurrent(t *testing.T) {
	l, throttle, now, addr := NewLimiter(1, 20), NewThrottle(), start(), netip.MustParseAddr("203.0.113.7")
	var allowed, acquired atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if l.Allow(addr, now) {
					allowed.Add(1)
				}
				if l.Acquire(addr, 5) {
					acquired.Add(1)
				}
				if throttle.Allow(addr, now) {
					throttle.Fail(addr, now)
				}
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 20 || acquired.Load() != 5 || throttle.Allow(addr, now) {
		t.Errorf("allowed %d, acquired %d, throttle still allows %v; want 20, 5, false",
			allowed.Load(), acquired.Load(), throttle.Allow(addr, now))
	}
}
