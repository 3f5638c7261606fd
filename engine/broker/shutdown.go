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

// closeInterval is the shortest time between two steps of CloseGradually.
const closeInterval = 10 * time.Millisecond

// CloseGradually refuses new connections and closes the others with why, spread evenly over a time: those of the clients that
// have sent the fewest messages first, because they lose least by connecting again. It returns when that is done, as soon as no
// connection is left, or when ctx ends.
func (b *Broker) CloseGradually(ctx context.Context, over time.Duration, why wire.Close) {
	why = b.stopAccepting(why)
	left := b.out.LeastActive(ctx)
	all, began := len(left), b.now()
	ticker := time.NewTicker(max(over/time.Duration(max(all, 1)), closeInterval))
	defer ticker.Stop()
	for len(left) > 0 && b.Count() > 0 {
		select {
		case <-ticker.C:
		case <-b.emptied:
		case <-ctx.Done():
			return
		}
		due := int((b.now() - began + closeInterval) * time.Duration(all) / over)
		for ; len(left) > 0 && all-len(left) < due; left = left[1:] {
			left[0].Close(outbox.CloseRequest{Why: why, Resumable: true})
		}
	}
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
