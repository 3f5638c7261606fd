package broker

import (
	"math/rand/v2"
	"slices"
	"time"

	"perigee/engine/wire"
)

// ending is how a connection ends.
type ending struct {
	why  wire.Close
	echo bool // the client began it: once its close frame is answered nothing more comes
	lost bool // what comes from the client makes no sense any more: its close frame will not be recognized
}

// closeTooLong is for a message whose last frame does not come in time.
func closeTooLong() wire.Close {
	return wire.Close{Code: wire.CodePolicy, Reason: "message took too long"}
}

// close puts the close frame behind everything that is queued.
func (s *shard) close(c *Conn) {
	if c.state != open {
		return
	}
	c.state = closing
	c.due = s.broker.now() + s.broker.settings().Limits.WriteTimeout.Std() + lingerTime
	s.append(c, entry{newClose(c.end.Load().why), false})
}

// closeSent goes on after the close frame has been written: the server that has answered closes the socket at once (RFC
// 6455, 7.1.1); one that began gives the client time to answer.
func (s *shard) closeSent(c *Conn) {
	end := c.end.Load()
	if end.echo || c.left {
		s.remove(c)
		return
	}
	c.state = closed
	c.due = s.broker.now() + lingerTime
	if end.lost {
		c.socket.closeWrite()
	}
	c.socket.linger()
}

// leave is told that nothing will be read any more. What is queued still gets a chance; where the client has closed in
// order, it gets the time that every close has.
func (s *shard) leave(c *Conn) {
	c.left = true
	s.flush(c)
	if c.state == closing && c.end.Load().echo {
		return
	}
	s.remove(c)
}

// cut ends a connection now. Its close frame is written if the socket takes it and no frame is half written; what is
// queued is not.
func (s *shard) cut(c *Conn, why wire.Close) {
	if c.state == gone {
		return
	}
	if c.end.CompareAndSwap(nil, &ending{why: why}) && !c.lent && c.offset == 0 {
		_, _ = s.attempt(c, newClose(why).bytes) // at best
	}
	s.remove(c)
}

// cutAll cuts every connection and returns how many there were.
func (s *shard) cutAll(why wire.Close) int {
	n := len(s.conns)
	for len(s.conns) > 0 {
		s.cut(s.conns[0], why)
	}
	return n
}

// tick looks after the times of all connections.
func (s *shard) tick(now time.Duration) {
	// Backwards, since a connection that is cut has the last one take its slot.
	for _, c := range slices.Backward(s.conns) {
		if c.state != open {
			if now >= c.due {
				s.remove(c)
			}
			continue
		}
		limits := &s.broker.settings().Limits
		begun := time.Duration(c.begun.Load())
		if deadline := limits.MessageDeadline.Std(); deadline > 0 && begun > 0 && now-begun > deadline {
			c.Close(closeTooLong())
		}
		if limits.PingInterval > 0 {
			s.ping(c, now)
		}
	}
}

// ping sends a ping when its time has come, or ends the connection when the last one has got no answer. Any byte is an
// answer: a pong may have to wait behind a message. While the handler keeps the reader waiting the client is not to blame.
func (s *shard) ping(c *Conn, now time.Duration) {
	limits := &s.broker.settings().Limits
	if c.pinged > 0 {
		switch {
		case time.Duration(c.socket.heard.Load()) >= c.pinged:
			c.pinged = 0
		case c.busy.Load():
			c.pinged = now
		case now-c.pinged >= limits.PongWait.Std():
			s.cut(c, wire.CloseNoPong())
			return
		}
	}
	// A queue that is not empty shows by itself, by its write timeout, whether the client is alive.
	if c.pinged == 0 && now >= c.nextPing && c.total == 0 {
		c.nextPing = now + limits.PingInterval.Std()
		if limits.PongWait > 0 {
			c.pinged = now
		}
		s.append(c, entry{newFrame(pingFrame, nil), false})
	}
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
