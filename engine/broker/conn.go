package broker

import (
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// Conn is one client's connection. Its methods may be called by any goroutine and never block. What one goroutine asks
// for happens in that order; after the end of the connection it does nothing.
type Conn struct {
	// Set at the upgrade, never changed.
	peer   auth.Peer
	opened time.Time
	broker *Broker
	socket *socket

	line outbox.Line // what is sent; used by any goroutine

	// Written by the reader, read by the shard.
	begun atomic.Int64 // when the message began that is being read; 0 between messages
	busy  atomic.Bool  // the handler has a message: nothing is read

	// Owned by the shard.
	nextPing time.Duration
	pinged   time.Duration // when the ping was sent whose answer is awaited; 0 where none is
}

// ID is a number that no other connection of this broker has had.
func (c *Conn) ID() uint64 { return c.line.ID() }

// Peer tells who connected.
func (c *Conn) Peer() auth.Peer { return c.peer }

// OpenedAt is the time of the upgrade.
func (c *Conn) OpenedAt() time.Time { return c.opened }

// Send queues a frame, as [outbox.Line.Send] does.
func (c *Conn) Send(f *outbox.Frame) { c.line.Send(f) }

// SendLatest queues a frame in the place of an earlier one, as [outbox.Line.SendLatest] does.
func (c *Conn) SendLatest(f *outbox.Frame) { c.line.SendLatest(f) }

// Subscribe adds the connection to a topic. Twice is once.
func (c *Conn) Subscribe(t outbox.TopicID) { c.line.Subscribe(t) }

// Unsubscribe takes the connection out of a topic.
func (c *Conn) Unsubscribe(t outbox.TopicID) { c.line.Unsubscribe(t) }

// Close closes the connection after what was sent before. The first call holds. A code that must not be sent
// becomes 1000; a reason that is too long is clamped.
func (c *Conn) Close(why wire.Close) {
	allowed, err := wire.CloseWith(why.Code, why.Reason)
	if err != nil {
		allowed = wire.CloseNormal(why.Reason)
	}
	c.line.Finish(outbox.Ending{Why: allowed})
}
