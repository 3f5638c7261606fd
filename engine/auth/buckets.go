package auth

import (
	"container/heap"
	"net/netip"
	"time"
)

// maxBuckets bounds the addresses that are remembered at once, at about 150 bytes each.
const maxBuckets = 65_536

// buckets are token buckets by address. Each is one point in time: when it will be full again (the generic cell rate
// algorithm, ITU-T I.371). An address without a bucket has a full one, so that full ones are dropped.
//
// When there are too many, the bucket that is full first is dropped: the one that had taken least. Nobody can push out
// an address that has used up its bucket without using up those of 65,535 other addresses first, and newcomers push out
// each other.
type buckets struct {
	// Set by newBuckets, never changed.
	interval time.Duration // one token comes back after this
	depth    time.Duration // a bucket with more than this to refill has no token left

	byAddr map[netip.Addr]*bucket
	byFull fullHeap
}

type bucket struct {
	addr  netip.Addr
	full  time.Time
	index int // in fullHeap
}

// newBuckets returns buckets of burst tokens each, of which one comes back each interval.
func newBuckets(interval time.Duration, burst int) buckets {
	interval = max(interval, 1)
	return buckets{interval: interval, depth: time.Duration(burst-1) * interval, byAddr: map[netip.Addr]*bucket{}}
}

// room tells whether addr has a token.
func (b *buckets) room(addr netip.Addr, now time.Time) bool {
	bucket := b.byAddr[addr]
	return bucket == nil || bucket.full.Sub(now) <= b.depth
}

// take takes a token of addr; one that has none left owes nothing more.
func (b *buckets) take(addr netip.Addr, now time.Time) {
	for len(b.byFull) > 0 && !b.byFull[0].full.After(now) {
		b.drop()
	}
	if bucket := b.byAddr[addr]; bucket != nil {
		if bucket.full.Sub(now) <= b.depth {
			bucket.full = bucket.full.Add(b.interval)
			heap.Fix(&b.byFull, bucket.index)
		}
		return
	}
	if len(b.byFull) >= maxBuckets {
		b.drop()
	}
	added := &bucket{addr: addr, full: now.Add(b.interval)}
	b.byAddr[addr] = added
	heap.Push(&b.byFull, added)
}

// drop forgets the bucket that is full first.
func (b *buckets) drop() {
	delete(b.byAddr, heap.Pop(&b.byFull).(*bucket).addr)
}

// fullHeap has the bucket that is full first at its top.
type fullHeap []*bucket

var _ heap.Interface = (*fullHeap)(nil)

func (h fullHeap) Len() int           { return len(h) }
func (h fullHeap) Less(i, j int) bool { return h[i].full.Before(h[j].full) }

func (h fullHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *fullHeap) Push(x any) {
	added := x.(*bucket)
	added.index = len(*h)
	*h = append(*h, added)
}

func (h *fullHeap) Pop() any {
	last := len(*h) - 1
	popped := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return popped
}

// network returns what counts as one address: an IPv4 address, or the /64 of an IPv6 one, since that is what one
// subscriber has at the least (RFC 6177). Zones do not count.
func network(addr netip.Addr) netip.Addr {
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

// plain returns addr without a zone, and an IPv4 address in IPv6 clothing (RFC 4291, 2.5.5.2) as what it is.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
