package broker

import (
	"math/rand/v2"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// recipient is a conn as its line knows it. Its methods are the shard's.
type recipient conn

var _ outbox.Recipient = (*recipient)(nil)

// closeTooLong is for a message whose last frame does not come in time.
func closeTooLong() wire.Close {
	return wire.Close{Code: wire.CodePolicy, Reason: "message took too long"}
}

// Look closes a connection whose message takes too long, and tells what is due to keep it alive.
func (r *recipient) Look(now time.Duration, idle bool) (ping bool, dead *wire.Close) {
	c := (*conn)(r)
	limits := &c.broker.settings().Limits
	begun := time.Duration(c.begun.Load())
	if deadline := limits.MessageDeadline.Std(); deadline > 0 && begun > 0 && now-begun > deadline {
		c.Close(closeTooLong())
	}
	if limits.PingInterval <= 0 {
		return false, nil
	}
	// Any byte is an answer to a ping: a pong may have to wait behind a message. While the handler keeps the reader
	// waiting the client is not to blame.
	if c.pinged > 0 {
		switch {
		case time.Duration(c.socket.heard.Load()) >= c.pinged:
			c.pinged = 0
		case c.busy.Load():
			c.pinged = now
		case now-c.pinged >= limits.PongWait.Std():
			why := wire.CloseNoPong()
			return false, &why
		}
	}
	// A queue that is not empty shows by itself, by its write timeout, whether the client is alive.
	if c.pinged > 0 || now < c.nextPing || !idle {
		return false, nil
	}
	c.nextPing = now + limits.PingInterval.Std()
	if limits.PongWait > 0 {
		c.pinged = now
	}
	return true, nil
}

// Slow logs that a client is cut.
func (r *recipient) Slow(queued int) {
	b := r.broker
	if line := b.throttle.Allow("slow", time.Now()); line.Allowed {
		b.log.Warn("broker: client too slow", "connection", r.line.ID(), "peer", r.peer.Addr, "queued_bytes", queued,
			"suppressed", line.Suppressed)
	}
}

// Linger has reading end soon.
func (r *recipient) Linger(lost bool) {
	if lost {
		r.socket.closeWrite()
	}
	r.socket.linger()
}

// firstPing returns when a new connection is pinged first: at random, lest all of those that came at once are pinged at
// once for ever.
func (b *Broker) firstPing() time.Duration {
	interval := b.settings().Limits.PingInterval.Std()
	if interval <= 0 {
		return 0
	}
	return b.now() + interval/2 + rand.N(interval/2+1)
}

// tick is the time between two looks at the times of connections: a quarter of the shortest of them, at most a second.
func (b *Broker) tick() time.Duration {
	const shortest = 10 * time.Millisecond
	limits := &b.settings().Limits
	tick := time.Second
	for _, d := range []time.Duration{limits.PingInterval.Std(), limits.PongWait.Std(), limits.MessageDeadline.Std()} {
		if d > 0 {
			tick = min(tick, d/4)
		}
	}
	return max(tick, shortest)
}
