package broker

import (
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/wire"
)

// Conn is one client's connection. Its methods are safe for concurrent use and never block. Calls from one goroutine take
// effect in that order; after the connection has ended they do nothing.
type Conn interface {
	// ID returns a number that no other connection of this broker has had.
	ID() uint64
	// Peer returns who connected.
	Peer() auth.Peer
	// OpenedAt returns the time of the upgrade.
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
	// ResumeRequest returns what the handshake said about resuming connections.
	ResumeRequest() ResumeRequest
	// Heard returns how many text messages have come from the client, including those that were dropped because the client
	// exceeded its rate. During [Handler.Message] it is the number of that message, the first being 1.
	Heard() uint64
	// Resume has the connection, which has sent nothing yet, go on where another one stopped, whose client has received that many
	// frames; a negative number stands for a client that remembers none. If that one is still open, it is closed with 4409. The
	// client is sent the frame of hello first, which does not count. complete means that everything that it missed follows; sent is
	// how many frames it had been sent. Both functions are called once, by any goroutine, and must not block.
	Resume(from Conn, received int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool))
	// Forget ends the connection of a client that has lost it and does not come back.
	Forget()
}

// conn implements Conn on a socket.
type conn struct {
	outbox.Sender // used by any goroutine

	// Set at the upgrade, never changed.
	peer   auth.Peer
	opened time.Time
	broker *Broker
	socket *socket
	resume *ResumeRequest // nil if the connection cannot be resumed

	// Written by the reader, read by the shard.
	messageStart atomic.Int64  // when the message that is being read began; 0 between messages
	inHandler    atomic.Bool   // the handler is running, so nothing is read
	heard        atomic.Uint64 // how many text messages have been read

	// Owned by the shard.
	nextPing time.Duration
	pingSent time.Duration // when the ping was sent that is not answered yet; 0 if there is none
}

var _ Conn = (*conn)(nil)

func (c *conn) Peer() auth.Peer     { return c.peer }
func (c *conn) OpenedAt() time.Time { return c.opened }
func (c *conn) Heard() uint64       { return c.heard.Load() }

func (c *conn) ResumeRequest() ResumeRequest {
	if c.resume == nil {
		return ResumeRequest{}
	}
	return *c.resume
}

// logRefused logs that a setting has refused something that the client did.
func (c *conn) logRefused(setting string, value any) {
	c.broker.refusals.Log(setting, value, "connection", c.ID(), "peer", c.peer.Addr)
}

// tooLarge logs that a message exceeds the read limit, and returns the reason to close the connection with.
func (c *conn) tooLarge(limit config.Size) wire.Close {
	c.logRefused("limits.read_limit", limit)
	return wire.CloseTooLarge(int64(limit))
}

func (c *conn) Close(why wire.Close) {
	allowed, err := wire.CloseWith(why.Code, why.Reason)
	if err != nil {
		allowed = wire.CloseNormal(why.Reason)
	}
	c.Sender.Close(outbox.CloseRequest{Why: allowed})
}

// Resume implements Conn. What the other connection was sent is not kept, so it is never complete.
func (c *conn) Resume(from Conn, _ int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool)) {
	from.Close(wire.CloseTakenOver())
	c.Send(hello(false, 0))
	done(false)
}

func (c *conn) Forget() {}
