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
// once their handlers have been told, but waits for handlers no longer than a second. When ctx ends it cuts at once.
func (b *Broker) Shutdown(ctx context.Context, drain time.Duration, why wire.Close) (forced int) {
	why = b.refuse(why)
	b.drain(ctx, drain)
	b.closeAll(ctx, why)
	if b.awaitEmpty(ctx) {
		return 0
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lingerTime)
	defer cancel()
	for _, s := range b.shards {
		n := 0
		if s.ask(last, func() { n = s.cutAll(why) }) {
			forced += n
		}
	}
	b.awaitEmpty(last)
	return forced
}

// drain waits until no queue waits for its client.
func (b *Broker) drain(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, s := range b.shards {
		done := make(chan struct{})
		if !s.ask(ctx, func() { s.drained = append(s.drained, done) }) {
			return
		}
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
			var some bool
			if !s.ask(ctx, func() { some = s.closeSome(why) }) {
				return
			}
			if more = some; !more {
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
