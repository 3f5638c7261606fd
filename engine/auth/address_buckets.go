package auth

import (
	"net/netip"
	"time"

	"perigee/engine/priority"
)

// maxBuckets is how many addresses are remembered at once, at about 150 bytes each.
const maxBuckets = 65_536

// addressBuckets are token buckets by address. An address without a bucket has a full one, so full ones are dropped.
//
// When there are too many, the bucket that is full first is dropped: the one from which least was taken. To push out an
// address that has used up its bucket, an attacker would have to use up those of 65,535 other addresses first; newcomers
// push out each other.
type addressBuckets struct {
	// Set by newAddressBuckets, never changed.
	interval time.Duration // one token comes back after this
	capacity time.Duration // a full bucket's tokens come back after this

	epoch    time.Time // the time of the first take: times of buckets count from here
	byAddr   map[netip.Addr]*addressBucket
	byFullAt priority.Heap[*addressBucket]
}

type addressBucket struct {
	Bucket
	addr  netip.Addr
	index int // in byFullAt
}

// Before implements priority.Item: the bucket that is full first is the first.
func (b *addressBucket) Before(other *addressBucket) bool { return b.fullAt < other.fullAt }

// Place implements priority.Item.
func (b *addressBucket) Place() *int { return &b.index }

// newAddressBuckets returns buckets of burst tokens each, of which one comes back each interval.
func newAddressBuckets(interval time.Duration, burst int) addressBuckets {
	interval = max(interval, 1)
	return addressBuckets{
		interval: interval, capacity: time.Duration(burst) * interval, byAddr: map[netip.Addr]*addressBucket{},
	}
}

// hasToken reports whether addr has a token.
func (b *addressBuckets) hasToken(addr netip.Addr, now time.Time) bool {
	bucket := b.byAddr[addr]
	return bucket == nil || bucket.Holds(b.interval, b.capacity, now.Sub(b.epoch))
}

// take takes a token of addr, if it has one.
func (b *addressBuckets) take(addr netip.Addr, at time.Time) {
	if b.epoch.IsZero() {
		b.epoch = at
	}
	now := at.Sub(b.epoch)
	for len(b.byFullAt) > 0 && b.byFullAt[0].fullAt <= now {
		b.drop()
	}
	if bucket := b.byAddr[addr]; bucket != nil {
		if bucket.Allow(b.interval, b.capacity, now) {
			b.byFullAt.Fix(bucket)
		}
		return
	}
	if len(b.byFullAt) >= maxBuckets {
		b.drop()
	}
	added := &addressBucket{addr: addr, Bucket: Bucket{now + b.interval}}
	b.byAddr[addr] = added
	b.byFullAt.Push(added)
}

// drop forgets the bucket that is full first.
func (b *addressBuckets) drop() {
	delete(b.byAddr, b.byFullAt.Pop().addr)
}

// Network returns what counts as one address: an IPv4 address, or the /64 of an IPv6 one, since that is what one
// subscriber has at least (RFC 6177). Zones do not count.
func Network(addr netip.Addr) netip.Addr {
	addr = plain(addr)
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}

// plain returns addr without a zone, and an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) as IPv4.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
