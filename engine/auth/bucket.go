package auth

import "time"

// Bucket is a token bucket, kept as one point in time: when it will be full again (the generic cell rate algorithm,
// ITU-T I.371). Costs and capacities are times, too: how long the tokens take to come back. Times count from an epoch
// that the caller chooses. The zero value is full. A Bucket is not safe for concurrent use.
//
// golang.org/x/time/rate does not fit. Its Limiter is 80 bytes and a mutex, and each client has two buckets; it refuses a
// cost above its capacity, which a read of a client may have; it has to be told of changed settings; and it does not tell
// when it will be full, by which buckets of addresses are dropped.
type Bucket struct{ fullAt time.Duration }

// Take takes cost, whatever the bucket holds, and returns how long the bucket will be in debt: 0 or less if it held
// enough.
func (b *Bucket) Take(cost, capacity, now time.Duration) (debt time.Duration) {
	b.fullAt = max(b.fullAt, now) + cost
	return b.fullAt - now - capacity
}

// Allow takes cost if the bucket holds enough, and reports whether it did.
func (b *Bucket) Allow(cost, capacity, now time.Duration) bool {
	after := *b
	if after.Take(cost, capacity, now) > 0 {
		return false
	}
	*b = after
	return true
}

// Holds reports whether Allow would take cost.
func (b Bucket) Holds(cost, capacity, now time.Duration) bool {
	return b.Allow(cost, capacity, now) // on a copy
}
