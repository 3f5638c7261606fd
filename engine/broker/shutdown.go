package broker

import (
	"context"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// Shutdown ends all connections in order: new ones are refused, what is queued is written for as long as drain, then
// everybody is closed with why and has one second to answer, and the rest is cut. Shutdown returns how many were cut,
// once their handlers have been told, but waits for handlers no longer than a second. When ctx ends it cuts at once.
func (b *Broker) Shutdown(ctx context.Context, drain time.Duration, why wire.Close) (forced int) {
	why = b.refuse(why)
	b.out.Drain(ctx, drain)
	b.out.CloseAll(ctx, why)
	if b.awaitEmpty(ctx) {
		return 0
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), outbox.LingerTime)
	defer cancel()
	forced = b.out.Cut(last, why)
	b.awaitEmpty(last)
	return forced
}

// awaitEmpty waits until the last connection has ended, at most for as long as a client may take to answer.
func (b *Broker) awaitEmpty(ctx context.Context) bool {
	patience := time.NewTimer(outbox.LingerTime)
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
