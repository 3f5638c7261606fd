// Package outbox is what is on its way to clients: frames, the queue of each client, who hears which topic, and the
// writing. A [Line] leads to one client, and its close frame is the last that it takes there. A connection is nothing here
// but what is written to: who the client is, what it sends, and whether it is still there, its [Recipient] knows.
//
// Whoever sends gives an order to a shard: one goroutine that owns a part of the lines, takes all orders that have come
// in, applies them, and then writes each line once. Where a socket is full, another goroutine waits until it takes bytes
// again. Sending never blocks.
package outbox

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"perigee/engine/config"
	"perigee/engine/wire"
)

// TopicID names a set of lines that are subscribed to it. A topic exists while it has subscribers.
type TopicID uint64

// Recipient is who a line leads to. Its methods are called on the goroutine of a shard, one after the other, and must not
// block.
type Recipient interface {
	// Look is called every tick while the line is open; idle tells that nothing waits to be written. It returns whether to
	// ping the client or, where that is given up, why the line is cut.
	Look(now time.Duration, idle bool) (ping bool, dead *wire.Close)
	// Slow is told that the line is about to be cut, since the client does not take what it is sent; so many bytes wait.
	Slow(queued int)
	// Linger is told that the close frame has been written. The client has [LingerTime] to answer; lost is that of the
	// [Ending].
	Linger(lost bool)
}

// Outbox is all lines together. Its methods may be called by any goroutine.
type Outbox struct {
	// Set by New, never changed.
	now    func() time.Duration
	shards []*shard

	// Used by any goroutine.
	limits  atomic.Pointer[config.Limits]
	lastID  atomic.Uint64
	queued  atomic.Int64   // bytes that wait in all queues; a shared frame counts once for each queue
	writers sync.WaitGroup // writes that wait for a socket
}

// New returns an outbox that writes nothing until [Outbox.Run]: what is sent before is queued. Of the limits those of
// sending count; one that is 0 is off. now tells the time, since whenever.
func New(l config.Limits, now func() time.Duration) *Outbox {
	o := &Outbox{now: now}
	o.Configure(l)
	shards := l.Shards
	if shards <= 0 {
		shards = max(1, runtime.GOMAXPROCS(0)-1)
	}
	for range shards {
		o.shards = append(o.shards, newShard(o))
	}
	return o
}

// Configure takes over other limits, from the next thing on that each of them bounds. Shards stays what it was.
func (o *Outbox) Configure(l config.Limits) { o.limits.Store(&l) }

// Run writes until ctx ends, closes what is still connected, and returns after every goroutine of the outbox has ended.
// It may be called once. tick is the time between two looks at each client.
func (o *Outbox) Run(ctx context.Context, tick time.Duration) {
	var shards sync.WaitGroup
	for _, s := range o.shards {
		shards.Go(func() { s.run(ctx, tick) })
	}
	shards.Wait()
	o.writers.Wait()
}

// Join opens a line, once. From then on nobody else writes to the connection, and the outbox closes it.
func (o *Outbox) Join(l *Line, conn net.Conn, to Recipient) {
	l.id = o.lastID.Add(1)
	l.shard = o.shards[l.id%uint64(len(o.shards))]
	l.conn, l.to, l.latest = conn, to, -1
	if system, ok := conn.(syscall.Conn); ok {
		if raw, err := system.SyscallConn(); err == nil {
			l.raw = raw
		}
	}
	l.shard.post(order{do: join, line: l})
}

// Joined returns how many lines were ever opened.
func (o *Outbox) Joined() uint64 { return o.lastID.Load() }

// Queued returns how many bytes wait in all queues; a frame that several share counts for each of them.
func (o *Outbox) Queued() int64 { return o.queued.Load() }

// Publish sends a frame to the subscribers of a topic.
func (o *Outbox) Publish(t TopicID, f *Frame) {
	for _, s := range o.shards {
		s.post(order{do: publish, topic: t, frame: f})
	}
}

// heaviest returns the shard with the longest queue.
func (o *Outbox) heaviest() *shard {
	most := o.shards[0]
	for _, s := range o.shards[1:] {
		if s.longest.Load() > most.longest.Load() {
			most = s
		}
	}
	return most
}
