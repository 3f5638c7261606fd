package broker

import (
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/handshake"
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
	// SendAll queues frames that do not count against the limits of the send queue.
	SendAll(frames []*outbox.Frame)
	// SendLatest queues a frame in place of the last one that was sent this way, unless a part of that has been written.
	SendLatest(f *outbox.Frame)
	// Close closes the connection after everything sent before. The first call decides code and reason. A code that must
	// not be sent becomes 1000; a reason that is too long is cut.
	Close(why wire.Close)
	// Subscribe adds the connection to a topic. It is idempotent, and so is Unsubscribe.
	Subscribe(t outbox.TopicID)
	Unsubscribe(t outbox.TopicID)
	// Request returns the request that opened the connection. Its Admission is the handler's.
	Request() *handshake.Request
	// ResumeRequest returns what the handshake said about resuming connections.
	ResumeRequest() ResumeRequest
	// Heard returns how many text messages have come from the client, including those that were dropped because the client
	// exceeded its rate. During [Handler.Message] it is the number of that message, the first being 1.
	Heard() uint64
	// Resume makes this connection, which is resumable and has sent nothing yet, continue another resumable one: the topics of that
	// one and what its client has missed move here. That one is over then; if its socket is still open, it is closed with 4409.
	// received is how many text frames the client has received on it, -1 if the client does not know. The client is sent the frame
	// that hello returns, then what it has missed if complete is true, then what is sent after this call. sent is the number of the
	// last frame before those. Neither the frame of hello nor control frames have a number. done is called after hello. Both are
	// called on another goroutine and must not block. What is published while another goroutine calls Resume may come twice or not
	// at all.
	Resume(from Conn, received int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool))
	// Forget ends a connection whose client may come back: what is sent to it is not kept any longer. Close does the same.
	Forget()
	// Sent returns how many text frames have been sent to a resumable connection, including those that are kept for it. It waits, but
	// not for the client.
	Sent() uint64
	// Kept returns the texts of the last of those frames that are kept because the client may not have received them. They must not be
	// changed. It waits as Sent does.
	Kept() [][]byte
}

// conn implements Conn on a socket.
type conn struct {
	outbox.Sender // used by any goroutine

	// Set at the upgrade, never changed.
	request   *handshake.Request
	peer      auth.Peer
	opened    time.Time
	broker    *Broker
	socket    *socket
	resume    *ResumeRequest // nil unless the client wants to resume a connection
	resumable bool           // the connection can be resumed

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

// Resume goes on with a connection of the same broker.
func (c *conn) Resume(from Conn, received int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool)) {
	c.Sender.Resume(&from.(*conn).Sender, received, hello, done) //nolint:forcetypeassert // a broker has no other connections
}

func (c *conn) Request() *handshake.Request { return c.request }

func (c *conn) ResumeRequest() (r ResumeRequest) {
	switch {
	case c.resume != nil:
		r = *c.resume
	case c.resumable:
		r = newResumable()
	}
	if r.Resumable && c.request != nil {
		r.Origin = c.request.Header("origin")
	}
	return r
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
	if !c.Sender.Close(outbox.CloseRequest{Why: allowed}) {
		c.Forget() // it may have ended already, and be away
	}
}
