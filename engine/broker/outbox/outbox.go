// Package outbox owns everything on its way to clients: frames, the send queue of each client, the subscribers of topics, and
// the writing. It must not know who a client is or what it sends: a [Sender] writes to a network connection, and whether the
// client is alive is up to its [Transport].
//
// Each shard is one goroutine that owns a part of the senders. Callers post operations to it. The shard takes all
// operations that have come in, applies them, and then writes to each connection once. If a socket is full, another
// goroutine waits until it accepts bytes again. Sending never blocks.
package outbox

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/config"
	"perigee/engine/wire"
)

// TopicID names a set of senders that are subscribed to it. A topic exists while it has subscribers.
type TopicID uint64

// Transport is told about the connection that a Sender writes to. Its methods are called by the goroutine of a shard, one
// after the other, and must not block.
type Transport interface {
	// Tick is called periodically while the connection is open; idle reports an empty send queue. It returns whether to ping
	// the client or, if the client is considered dead, the reason to close the connection with.
	Tick(now time.Duration, idle bool) (ping bool, dead *wire.Close)
	// Received returns how many messages have come from the client.
	Received() uint64
	// TooSlow is called before the connection is closed because the client does not read fast enough: the setting with this name
	// and value was exceeded. queued is the number of bytes that wait for it.
	TooSlow(setting string, value any, queued int)
	// CloseSent is called after the close frame was written. The client has timeout to answer. outOfSync is that of the
	// [CloseRequest].
	CloseSent(outOfSync bool, timeout time.Duration)
	// Over is called once, as soon as a connection that [Sender.ReaderDone] has kept cannot be resumed any more.
	Over()
}

// Outbox owns all senders. It is safe for concurrent use.
type Outbox struct {
	// Set by New, never changed.
	now    func() time.Duration
	shards []*shard

	// Used by any goroutine.
	limits  atomic.Pointer[config.Limits]
	resume  atomic.Pointer[config.Resume]
	lastID  atomic.Uint64
	queued  atomic.Int64   // bytes in all send queues; a shared frame counts once for each queue
	kept    atomic.Int64   // memory for all clients that are away; a shared frame counts once for each of them
	writers sync.WaitGroup // goroutines that wait for a socket
}

// New returns an outbox that writes nothing until [Outbox.Run]. Frames that are sent before are queued. It uses the limits for
// sending; 0 disables a limit. now returns the time since any fixed moment.
func New(l config.Limits, r config.Resume, now func() time.Duration) *Outbox {
	o := &Outbox{now: now}
	o.Configure(l, r)
	shards := l.Shards
	if shards <= 0 {
		shards = max(1, runtime.GOMAXPROCS(0)-1)
	}
	for range shards {
		o.shards = append(o.shards, newShard(o))
	}
	return o
}

// Configure replaces the limits. Each applies from the next frame on. Shards cannot be changed.
func (o *Outbox) Configure(l config.Limits, r config.Resume) {
	o.limits.Store(&l)
	o.resume.Store(&r)
}

// Run writes until ctx ends, closes the connections that are left, and returns after every goroutine of the outbox has
// ended. It must be called once only. tick is the time between two calls of [Transport.Tick].
func (o *Outbox) Run(ctx context.Context, tick time.Duration) {
	var shards sync.WaitGroup
	for _, sh := range o.shards {
		shards.Go(func() { sh.run(ctx, tick) })
	}
	shards.Wait()
	o.writers.Wait()
}

// Features are what a client has negotiated in its handshake.
type Features struct {
	// Compress is set for permessage-deflate (RFC 7692).
	Compress bool
	// Resumable is set if the connection can be resumed.
	Resumable bool
}

// Join opens a sender. It must be called once only. From then on only the outbox may write to the connection, and the outbox closes it.
func (o *Outbox) Join(s *Sender, conn net.Conn, t Transport, f Features) {
	o.assign(s, t)
	s.conn, s.raw, s.compress = conn, rawConn(conn), f.Compress
	if f.Resumable {
		s.memory = &memory{}
	}
	s.shard.post(op{kind: opJoin, sender: s})
}

// assign gives a sender its number and its shard.
func (o *Outbox) assign(s *Sender, t Transport) {
	s.id = o.lastID.Add(1)
	s.shard = o.shards[s.id%uint64(len(o.shards))]
	s.transport, s.latest = t, -1
}

// Joined returns how many senders were ever opened.
func (o *Outbox) Joined() uint64 { return o.lastID.Load() }

// Queued returns how many bytes are in all send queues; a frame that several share counts for each of them.
func (o *Outbox) Queued() int64 { return o.queued.Load() }

// Kept returns how many bytes of memory are kept for clients that are away: those of the frames, counted in the same way, and what
// each frame costs besides.
func (o *Outbox) Kept() int64 { return o.kept.Load() }

// Publish sends a frame to the subscribers of a topic.
func (o *Outbox) Publish(t TopicID, f *Frame) {
	for _, sh := range o.shards {
		sh.post(op{kind: opPublish, topic: t, frame: f})
	}
}
