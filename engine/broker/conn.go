package broker

import (
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// TopicID names a set of subscribed connections. A topic exists while it has subscribers.
type TopicID uint64

// Conn is one client's connection. Its methods may be called by any goroutine and never block. What one goroutine asks
// for happens in that order; after the end of the connection it does nothing.
type Conn struct {
	// Set at the upgrade, never changed.
	id     uint64
	peer   auth.Peer
	opened time.Time
	broker *Broker
	shard  *shard
	socket *socket

	// Used by any goroutine.
	end atomic.Pointer[ending] // how it ends; the first one holds

	// Written by the reader, read by the shard.
	begun atomic.Int64 // when the message began that is being read; 0 between messages
	busy  atomic.Bool  // the handler has a message: nothing is read

	// Owned by the shard.
	state     state
	left      bool // the reader has ended
	lent      bool // a goroutine waits to write the first frame of the queue
	dirty     bool // stands in shard.dirty
	slot      int  // in shard.conns
	latest    int  // in queue: the frame that the next SendLatest replaces; -1 where there is none
	head      int  // in queue: the first frame that is not written
	offset    int  // bytes of that frame that are written
	count     int  // frames that count against the limits
	bytes     int  // of those frames
	total     int  // bytes of all frames, written ones not
	published int  // how much of total is in Broker.queued
	queue     []entry
	topics    []TopicID
	nextPing  time.Duration
	pinged    time.Duration // when the ping was sent whose answer is awaited; 0 where none is
	due       time.Duration // when a closing connection is cut
}

// entry is a frame in a send queue.
type entry struct {
	frame   *Frame
	counted bool // against the limits of the queue
}

// state is how far a connection has come, as its shard sees it.
type state uint8

const (
	joining state = iota // the shard does not know it yet
	open
	closing // the close frame is the last in the queue
	closed  // the close frame has been written; the client may still say something
	gone
)

// ID is a number that no other connection of this broker has had.
func (c *Conn) ID() uint64 { return c.id }

// Peer tells who connected.
func (c *Conn) Peer() auth.Peer { return c.peer }

// OpenedAt is the time of the upgrade.
func (c *Conn) OpenedAt() time.Time { return c.opened }

// Send queues a frame. A client that reads so slowly that its queue gets longer than the limits is cut with 4408. One
// frame is always taken while the queue is empty, and what is being written does not count.
func (c *Conn) Send(f *Frame) { c.shard.post(order{do: send, conn: c, frame: f}) }

// SendLatest queues a frame in the place of the last one that was sent this way, if not a byte of that has left; else
// at the end. Such frames do not count against the limits of the queue.
func (c *Conn) SendLatest(f *Frame) { c.shard.post(order{do: sendLatest, conn: c, frame: f}) }

// Subscribe adds the connection to a topic. Twice is once.
func (c *Conn) Subscribe(t TopicID) { c.shard.post(order{do: subscribe, conn: c, topic: t}) }

// Unsubscribe takes the connection out of a topic.
func (c *Conn) Unsubscribe(t TopicID) { c.shard.post(order{do: unsubscribe, conn: c, topic: t}) }

// Close closes the connection after what was sent before. The first call holds. A code that must not be sent
// becomes 1000; a reason that is too long is clamped.
func (c *Conn) Close(why wire.Close) {
	allowed, err := wire.CloseWith(why.Code, why.Reason)
	if err != nil {
		allowed = wire.CloseNormal(why.Reason)
	}
	c.finish(ending{why: allowed})
}

// finish says how the connection ends, unless that is settled, and has it closed.
func (c *Conn) finish(e ending) {
	if c.end.CompareAndSwap(nil, &e) {
		c.shard.post(order{do: closeConn, conn: c})
	}
}
