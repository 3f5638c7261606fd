package outbox

import (
	"cmp"
	"slices"
	"sync/atomic"

	"perigee/engine/config"
)

// budget is the part of one shard in a number of bytes that all shards share.
type budget struct {
	total   *atomic.Int64 // of all shards
	longest atomic.Int64  // bytes of the sender of this shard that has most, when enforce looked last
	delta   int           // bytes to add to total
}

// sum adds what the shard has counted to the total, and returns that.
func (b *budget) sum() int64 {
	if b.delta == 0 {
		return b.total.Load()
	}
	total := b.total.Add(int64(b.delta))
	b.delta = 0
	return total
}

// account adds the growth of a sender's queue to the total of the shard.
func (sh *shard) account(s *Sender) {
	sh.queued.delta += s.total - s.accounted
	s.accounted = s.total
}

// enforceMemory adds the bytes of this shard to the totals of all shards. While the queued bytes exceed limits.send_memory, it
// closes the connections with the longest queues; while those that are kept for clients that are away exceed resume.memory, it
// ends the keeping for those that have most. It is called after writing.
//
// A frame that several clients are to get counts once for each of them. The total is therefore never less than the memory in use,
// and dropping one queue always lowers it. Counting a shared frame once would need a counter for each frame, which all
// shards would change for each client.
func (sh *shard) enforceMemory() {
	limit := int64(sh.out.limits.Load().SendMemory)
	if total := sh.queued.sum(); limit > 0 && total > limit/2 {
		sh.enforce(func(sh *shard) *budget { return &sh.queued }, limit, sh.longestBlocked, func(s *Sender) {
			sh.closeSlow(s, "limits.send_memory", config.Size(limit))
		})
	}
	limit = int64(sh.out.resume.Load().Memory)
	if total := sh.kept.sum(); limit > 0 && total > limit/2 {
		sh.enforce(func(sh *shard) *budget { return &sh.kept }, limit, sh.longestKept, func(s *Sender) {
			s.memory.lose()
			sh.accountKept(s)
		})
	}
}

// enforce calls drop for the sender that has most bytes of a budget, which longest returns, while all shards together exceed the
// limit. If another shard has that sender, it is asked to do so.
func (sh *shard) enforce(of func(sh *shard) *budget, limit int64, longest func() (*Sender, int), drop func(s *Sender)) {
	b := of(sh)
	for {
		s, bytes := longest()
		b.longest.Store(int64(bytes))
		if b.sum() <= limit {
			return
		}
		other := slices.MaxFunc(sh.out.shards, func(x, y *shard) int { return cmp.Compare(of(x).longest.Load(), of(y).longest.Load()) })
		if other != sh {
			other.post(op{kind: opCall, call: (*shard).enforceMemory})
			return
		}
		if s == nil {
			return
		}
		drop(s)
	}
}

// longestBlocked returns the blocked sender with the longest queue, or nil, and its bytes.
func (sh *shard) longestBlocked() (longest *Sender, bytes int) {
	for s := range sh.blocked {
		if longest == nil || s.total > bytes {
			longest, bytes = s, s.total
		}
	}
	return longest, bytes
}
