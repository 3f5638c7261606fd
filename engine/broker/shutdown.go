package broker

import (
	"context"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// Shutdown ends all connections in order. It refuses new ones, writes queued frames for at most drain, closes all connections
// with why, gives clients one second to answer, and aborts the rest. Shutdown returns how many were aborted, after their
// handlers have returned, but waits for handlers no longer than a second. If ctx ends, it aborts at once.
func (b *Broker) Shutdown(ctx context.Context, drain time.Duration, why wire.Close) (aborted int) {
	why = b.stopAccepting(why)
	b.out.Drain(ctx, drain)
	b.out.CloseAll(ctx, why)
	if b.awaitEmpty(ctx) {
		return 0
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), outbox.CloseTimeout)
	defer cancel()
	aborted = b.out.AbortAll(last, why)
	b.awaitEmpty(last)
	return aborted
}

// awaitEmpty waits until the last connection has ended, at most for as long as a client may take to answer. It reports
// whether all have ended.
func (b *Broker) awaitEmpty(ctx context.Context) bool {
	timeout := time.NewTimer(outbox.CloseTimeout)
	defer timeout.Stop()
	for b.Count() > 0 {
		select {
		case <-b.emptied:
		case <-timeout.C:
			return b.Count() == 0
		case <-ctx.Done():
			return false
		}
	}
	return true
}
