package broker

import (
	"math/rand/v2"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// transport is a conn as its sender sees it. Its methods are called by the shard.
type transport conn

var _ outbox.Transport = (*transport)(nil)

// closeTooLong is for a message whose last frame does not come in time.
func closeTooLong() wire.Close {
	return wire.Close{Code: wire.CodePolicy, Reason: "message took too long"}
}

// Tick closes a connection whose message takes too long, and decides whether to ping the client or to give it up.
func (t *transport) Tick(now time.Duration, idle bool) (ping bool, dead *wire.Close) {
	c := (*conn)(t)
	limits := &c.broker.settings().Limits
	started := time.Duration(c.messageStart.Load())
	if deadline := limits.MessageDeadline.Std(); deadline > 0 && started > 0 && now-started > deadline {
		c.logRefused("limits.message_deadline", limits.MessageDeadline)
		c.Close(closeTooLong())
	}
	if limits.PingInterval <= 0 {
		return false, nil
	}
	// Any byte is an answer to a ping: a pong may have to wait behind a message. While the handler keeps the reader waiting,
	// the client cannot answer in time.
	if c.pingSent > 0 {
		switch {
		case time.Duration(c.socket.lastRead.Load()) >= c.pingSent:
			c.pingSent = 0
		case c.inHandler.Load():
			c.pingSent = now
		case now-c.pingSent >= limits.PongWait.Std():
			why := wire.CloseNoPong()
			return false, &why
		}
	}
	// If frames are queued, the write timeout shows whether the client is alive.
	if c.pingSent > 0 || now < c.nextPing || !idle {
		return false, nil
	}
	c.nextPing = now + limits.PingInterval.Std()
	if limits.PongWait > 0 {
		c.pingSent = now
	}
	return true, nil
}

// Received returns how many messages have come from the client.
func (t *transport) Received() uint64 { return t.heard.Load() }

// TooSlow logs that a client does not read.
func (t *transport) TooSlow(setting string, value any, queued int) {
	t.broker.refusals.Log(setting, value, "connection", t.ID(), "peer", t.peer.Addr, "queued_bytes", queued)
}

// CloseSent limits further reading.
func (t *transport) CloseSent(outOfSync bool, timeout time.Duration) {
	if outOfSync {
		t.socket.closeWrite()
	}
	t.socket.limitReading(timeout)
}

// Over takes a connection from those of its address that are away.
func (t *transport) Over() { t.broker.releaseAway(t.peer) }

// firstPing returns when a new connection is pinged first. It is random, so that clients that connected together are not
// all pinged at the same moments.
func (b *Broker) firstPing() time.Duration {
	interval := b.settings().Limits.PingInterval.Std()
	if interval <= 0 {
		return 0
	}
	return b.now() + interval/2 + rand.N(interval/2+1)
}

// tick is the time between two checks of the deadlines of connections: a quarter of the shortest, at most a second.
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
