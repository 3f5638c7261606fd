package broker

import (
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

// Conn is one client's connection. Its methods are safe for concurrent use and never block. What one goroutine asks for
// happens in that order; after the connection has ended, the methods do nothing.
type Conn interface {
	// ID is a number that no other connection of this broker has had.
	ID() uint64
	// Peer returns who connected.
	Peer() auth.Peer
	// OpenedAt is the time of the upgrade.
	OpenedAt() time.Time
	// Send queues a frame.
	Send(f *outbox.Frame)
	// SendLatest queues a frame in place of the last one that was sent this way, unless a part of that has been written.
	SendLatest(f *outbox.Frame)
	// Close closes the connection after everything sent before. The first call decides code and reason. A code that must
	// not be sent becomes 1000; a reason that is too long is cut.
	Close(why wire.Close)
	// Subscribe adds the connection to a topic. It is idempotent, and so is Unsubscribe.
	Subscribe(t outbox.TopicID)
	Unsubscribe(t outbox.TopicID)
}

// conn implements Conn on a socket.
type conn struct {
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

var _ Conn = (*conn)(nil)

func (c *conn) ID() uint64                   { return c.line.ID() }
func (c *conn) Peer() auth.Peer              { return c.peer }
func (c *conn) OpenedAt() time.Time          { return c.opened }
func (c *conn) Send(f *outbox.Frame)         { c.line.Send(f) }
func (c *conn) SendLatest(f *outbox.Frame)   { c.line.SendLatest(f) }
func (c *conn) Subscribe(t outbox.TopicID)   { c.line.Subscribe(t) }
func (c *conn) Unsubscribe(t outbox.TopicID) { c.line.Unsubscribe(t) }

func (c *conn) Close(why wire.Close) {
	allowed, err := wire.CloseWith(why.Code, why.Reason)
	if err != nil {
		allowed = wire.CloseNormal(why.Reason)
	}
	c.line.Finish(outbox.Ending{Why: allowed})
}
