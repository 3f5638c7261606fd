// Package broker owns the sockets: it accepts them, upgrades them, bounds what they may cost, reads messages, sees who is
// still there, and closes. It does not know what a message means, who a client is, or why somebody closes it: a [Handler]
// is told what happens, and calls back through [Conn] and [Broker]. Nor does it know what is queued for whom.
//
// Reading is one goroutine a connection. Every byte to a client that was let in goes one way, by its [outbox.Line].
package broker

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/wire"
)

// readBuffer is what a connection keeps for reading, in bytes. Longer messages are read past it.
const readBuffer = 512

// Handler is told what happens on the sockets. For one connection Open comes once, then Message any number of times, then
// Closed once. The three are called one after the other, on the connection's own reader goroutine: while one of them
// blocks, nothing more is read from this client. A panic closes this connection with 1011. A connection that is refused
// is never opened and never closed.
type Handler interface {
	Open(c Conn)
	// Message hands over a text message: valid UTF-8, within the read limit, possibly empty. The text belongs to the
	// handler. It is not called any more once the server has begun to close the connection.
	Message(c Conn, text []byte)
	// Closed tells who closed the connection and why: the server's code and reason where the server began it, the
	// client's otherwise; 1005 where the client gave no code, 1006 where the connection just ended. After a close by the
	// server it comes when the client has answered, or a second later; later yet while the client does not read.
	Closed(c Conn, why wire.Close)
}

// Options are the settings of a broker.
type Options struct {
	// Limits are those of one client and of all together; a limit of 0 is off.
	Limits config.Limits
	// MaxConnections are the clients connected at once. 0 is no limit.
	MaxConnections int
	Origins        auth.Origins
	Hosts          auth.Hosts
	Proxies        auth.Proxies
	// Now tells what time it is to OpenedAt, to messages and to the limits of addresses; time.Now where nil. All other
	// times are the machine's.
	Now func() time.Time
}

// Broker is all sockets together. Its methods may be called by any goroutine.
type Broker struct {
	// Set by New, never changed.
	handler  Handler
	log      *slog.Logger
	clock    func() time.Time
	epoch    time.Time // now counts from here
	upgrader websocket.Upgrader
	limiter  *auth.Limiter
	out      *outbox.Outbox
	waiting  *waitingRoom
	emptied  chan struct{} // capacity 1; sent to when the last connection has ended; never closed

	// Used by any goroutine.
	options  atomic.Pointer[Options]
	tasks    sync.WaitGroup // requests, readers and refusals under way
	throttle logging.Throttle
	proxyLog sync.Once
	buffers  sync.Pool // of *bytes.Buffer, for messages that are being read

	// Guarded by mu.
	mu       sync.Mutex
	count    int               // connections that are open or being upgraded
	refusing int               // connections that are told that the server is full
	ending   *wire.Close       // why new ones are refused; nil while they are welcome
	closed   map[string]uint64 // by the class of the close code
	refused  map[string]uint64 // by the reason
}

// New returns a broker that does nothing until [Broker.Run]: what is sent before is queued.
func New(o Options, h Handler, log *slog.Logger) *Broker {
	clock := o.Now
	if clock == nil {
		clock = time.Now
	}
	b := &Broker{
		handler: h,
		log:     log,
		clock:   clock,
		epoch:   time.Now(),
		limiter: auth.NewLimiter(float64(o.Limits.ConnectsPerSecondPerIP), o.Limits.ConnectsBurstPerIP),
		waiting: newWaitingRoom(),
		emptied: make(chan struct{}, 1),
		closed:  zeros(wire.CodeClasses()),
		refused: zeros(refusals()),
	}
	b.options.Store(&o)
	b.upgrader = websocket.Upgrader{
		HandshakeTimeout: o.Limits.HandshakeTimeout.Std(),
		ReadBufferSize:   readBuffer,
		WriteBufferPool:  &sync.Pool{}, // no buffer is ever taken: messages are not written through gorilla
		CheckOrigin:      checkedBefore,
	}
	b.buffers.New = func() any { return new(bytes.Buffer) }
	b.out = outbox.New(o.Limits, b.now)
	return b
}

// Configure takes over other settings, from the next thing on that each of them bounds; a message that is being read goes by
// the limits that it was begun under. Of Limits, Shards, HandshakeTimeout and how fast an address may connect stay what they
// were, and so does Now.
func (b *Broker) Configure(o Options) {
	b.options.Store(&o)
	b.out.Configure(o.Limits)
}

func (b *Broker) settings() *Options { return b.options.Load() }

// Run serves until ctx ends, cuts what is still connected, and returns after every goroutine of the broker has ended. It
// may be called once. For an orderly end call [Broker.Shutdown] before ctx ends.
func (b *Broker) Run(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var writing sync.WaitGroup
	writing.Go(func() { b.out.Run(serving, b.tick()) })
	<-ctx.Done()
	b.out.Cut(serving, b.refuse(wire.CloseShutdown()))
	b.tasks.Wait()
	stop()
	writing.Wait()
	return nil
}

// Count returns how many connections there are, those being upgraded included and those refused not.
func (b *Broker) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Counts are what a broker has seen since it was made.
type Counts struct {
	// Opened are the connections that were upgraded.
	Opened uint64
	// Closed are those that have ended, by [wire.CodeClass].
	Closed map[string]uint64
	// Refused are the requests that did not become a connection, by a word for the reason: "host", "origin", "address" (has
	// too many, or is too fast), "full", "stopping" or "handshake".
	Refused map[string]uint64
	// Queued are the bytes in all send queues now; a frame that several share counts for each of them.
	Queued int64
}

// Counts returns what the broker has seen.
func (b *Broker) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Counts{
		Opened: b.out.Joined(), Closed: maps.Clone(b.closed), Refused: maps.Clone(b.refused), Queued: b.out.Queued(),
	}
}

// zeros has a count for each name.
func zeros(names []string) map[string]uint64 {
	counts := make(map[string]uint64, len(names))
	for _, name := range names {
		counts[name] = 0
	}
	return counts
}

// Publish sends a frame to the subscribers of a topic.
func (b *Broker) Publish(t outbox.TopicID, f *outbox.Frame) { b.out.Publish(t, f) }

// now is the time since the broker was made.
func (b *Broker) now() time.Duration { return time.Since(b.epoch) }

// refuse makes new connections unwelcome, and returns the first reason that anybody gave.
func (b *Broker) refuse(why wire.Close) wire.Close {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ending == nil {
		b.ending = &why
	}
	return *b.ending
}

// tally counts what became of a connection, or of a request for one.
func (b *Broker) tally(counts map[string]uint64, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts[name]++
}

// release ends what reserve and enter began for a connection.
func (b *Broker) release(peer auth.Peer) {
	b.leave(peer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count--
	if b.count == 0 {
		select {
		case b.emptied <- struct{}{}:
		default:
		}
	}
}
