package broker

import (
	"context"
	"math/rand/v2"
	"time"

	"perigee/engine/wire"
)

const (
	// closedAtOnce connections are closed together, then there is a random pause of up to closePause: their clients
	// would otherwise all come back at once.
	closedAtOnce = 128
	closePause   = 20 * time.Millisecond
)

// Shutdown ends all connections in order: new ones are refused, what is queued is written for as long as drain, then
// everybody is closed with why and has one second to answer, and the rest is cut. Shutdown returns how many were cut,
// once their handlers have been told. When ctx ends it cuts at once.
func (b *Broker) Shutdown(ctx context.Context, drain time.Duration, why wire.Close) (forced int) {
	why = b.refuse(why)
	b.drain(ctx, drain)
	b.closeAll(ctx, why)
	if b.awaitEmpty(ctx) {
		return 0
	}
	answers := make(chan int, len(b.shards))
	for _, s := range b.shards {
		s.post(order{do: call, call: func(s *shard) { answers <- s.cutAll(why) }})
	}
	for range b.shards {
		select {
		case n := <-answers:
			forced += n
		case <-ctx.Done():
			return forced
		}
	}
	b.awaitEmpty(ctx)
	return forced
}

// drain waits until no queue waits for its client.
func (b *Broker) drain(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, s := range b.shards {
		done := make(chan struct{})
		s.post(order{do: call, call: func(s *shard) { s.drained = append(s.drained, done) }})
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// closeAll closes all connections, some at a time.
func (b *Broker) closeAll(ctx context.Context, why wire.Close) {
	for _, s := range b.shards {
		for more := true; more; {
			answer := make(chan bool, 1)
			s.post(order{do: call, call: func(s *shard) { answer <- s.closeSome(why) }})
			select {
			case more = <-answer:
			case <-ctx.Done():
				return
			}
			if !more {
				break
			}
			select {
			case <-time.After(rand.N(closePause)):
			case <-ctx.Done():
				return
			}
		}
	}
}

// closeSome closes some of the connections that are open, and tells whether there may be more.
func (s *shard) closeSome(why wire.Close) (more bool) {
	n := 0
	for _, c := range s.conns {
		if c.state != open {
			continue
		}
		if n == closedAtOnce {
			return true
		}
		n++
		c.end.CompareAndSwap(nil, &ending{why: why})
		s.close(c)
	}
	return false
}

// awaitEmpty waits until the last connection has ended, at most for as long as a client may take to answer.
func (b *Broker) awaitEmpty(ctx context.Context) bool {
	patience := time.NewTimer(lingerTime)
	defer patience.Stop()
	for b.Count() > 0 {
		select {
		case <-b.emptied:
		case <-patience.C:
			return b.Count() == 0
		case <-ctx.Done():
			return false
		}
	}
	return true
}
