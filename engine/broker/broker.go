// Package broker owns the sockets: it accepts and upgrades connections, enforces their limits, reads messages, detects dead
// clients, and closes. It must not know what a message means, who a client is, or why a connection is closed by the
// application: it calls a [Handler], which calls back through [Conn] and [Broker].
//
// Each connection has one goroutine, which reads. After the upgrade, all bytes to a client go through its [outbox.Sender].
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
	"perigee/engine/handshake"
	"perigee/engine/logging"
	"perigee/engine/wire"
)

// readBuffer is the size of a connection's read buffer, in bytes. Longer messages are read past it.
const readBuffer = 512

// Handler handles the events of connections. For one connection, Open is called once, then Message any number of times,
// then Closed once, one after the other and on the connection's own goroutine: while one of them blocks, nothing more is
// read from this client. A panic closes this connection with 1011. For a connection that is refused, none of them is called.
type Handler interface {
	// WantsConnect reports whether Connect must be called for requests at present.
	WantsConnect() bool
	// Connect decides about a request before it becomes a connection, and returns why it must not. It is called by the request's own
	// goroutine and may wait until ctx ends: the client has left, the server stops, or limits.handshake_timeout has passed.
	Connect(ctx context.Context, r *handshake.Request, peer auth.Peer) *handshake.Refusal
	// Open is called before anything is read from the client.
	Open(c Conn)
	// Message handles a text message: valid UTF-8, within the read limit, possibly empty. The handler owns the text. Message
	// is not called any more after the server has begun to close the connection.
	Message(c Conn, text []byte)
	// Closed is called with the reason for which the connection was closed: the server's code and reason if the server began,
	// otherwise the client's; 1005 if the client gave no code, 1006 if the connection ended without a close frame. After a
	// close by the server it is called when the client has answered, or a second later; later still while the client does not
	// read. end says whether the client may come back to the connection.
	Closed(c Conn, why wire.Close, end End)
}

// Options are the settings of a broker.
type Options struct {
	// Limits has the limits of one client and of all clients together. 0 disables a limit.
	Limits config.Limits
	// Resume has the limits of what is kept for clients that may come back.
	Resume config.Resume
	// Compression is whether messages are compressed if a client offers it.
	Compression bool
	// MaxConnections is how many clients may be connected at once. 0 means no limit.
	MaxConnections int
	// Protocols are the subprotocols that are selected if a client offers them.
	Protocols []string
	Origins   auth.Origins
	Hosts     auth.Hosts
	Proxies   auth.Proxies
	// Now returns the time for OpenedAt, for messages and for the limits of addresses. Optional: if it is nil, time.Now is
	// used. Everything else uses the time of the machine.
	Now func() time.Time
}

// Broker owns all connections. It is safe for concurrent use.
type Broker struct {
	// Set by New, never changed.
	handler      Handler
	log          *slog.Logger
	clock        func() time.Time
	epoch        time.Time // now counts from here
	upgrader     websocket.Upgrader
	limiter      *auth.Limiter
	away         *auth.Limiter // counts the connections of each address that are away
	out          *outbox.Outbox
	pending      *pendingSockets
	connectSlots chan struct{} // capacity maxConnecting; holds one for each call of Handler.Connect; never closed
	emptied      chan struct{} // capacity 1; sent to when the last connection has ended; never closed

	// Used by any goroutine.
	options     atomic.Pointer[Options]
	tasks       sync.WaitGroup // requests, readers and rejections in progress
	throttle    logging.Throttle
	refusals    *logging.Refusals
	proxyLog    sync.Once // for the warning of a proxy that is not trusted
	protocolLog sync.Once // for the warning of subprotocols that are not listed
	upgradeLog  sync.Once // for the warning of a proxy that drops the header Upgrade
	buffers     sync.Pool // of *bytes.Buffer, for messages that are being read

	// Guarded by mu.
	mu           sync.Mutex
	count        int                                       // connections that are open or being upgraded
	connectCalls map[*handshake.Request]context.CancelFunc // of the calls of Handler.Connect in progress
	rejecting    int                                       // connections that are being told why they are refused
	stopReason   *wire.Close                               // why new connections are refused; nil while they are accepted
	closed       map[string]uint64                         // by the class of the close code
	refused      map[string]uint64                         // by the reason
}

// New returns a broker that does nothing until [Broker.Run]. Frames that are sent before are queued.
func New(o Options, h Handler, log *slog.Logger) *Broker {
	clock := o.Now
	if clock == nil {
		clock = time.Now
	}
	b := &Broker{
		handler:      h,
		log:          log,
		clock:        clock,
		epoch:        time.Now(),
		limiter:      auth.NewLimiter(float64(o.Limits.ConnectsPerSecondPerIP), o.Limits.ConnectsBurstPerIP),
		away:         auth.NewLimiter(0, 0),
		refusals:     logging.NewRefusals(log),
		pending:      &pendingSockets{removed: make(chan struct{}, 1)},
		connectSlots: make(chan struct{}, maxConnecting),
		connectCalls: map[*handshake.Request]context.CancelFunc{},
		emptied:      make(chan struct{}, 1),
		closed:       zeroCounts(wire.CodeClasses()),
		refused:      zeroCounts([]string{reasonHandshake, reasonHost, reasonOrigin, reasonAddress, reasonFull, reasonConnect, reasonStopping}),
	}
	b.options.Store(&o)
	b.upgrader = websocket.Upgrader{
		HandshakeTimeout: o.Limits.HandshakeTimeout.Std(),
		ReadBufferSize:   readBuffer,
		WriteBufferPool:  &sync.Pool{}, // no buffer is ever taken: messages are not written through gorilla
		CheckOrigin:      allowOrigin,
	}
	b.buffers.New = func() any { return new(bytes.Buffer) }
	b.out = outbox.New(o.Limits, o.Resume, b.now)
	return b
}

// Configure replaces the settings. Each applies from the next message, connection or frame on; a message that is being read is
// subject to the limits under which it was begun. Now and, of Limits, Shards, HandshakeTimeout and the limits on how fast an
// address may connect cannot be changed.
func (b *Broker) Configure(o Options) {
	b.options.Store(&o)
	b.out.Configure(o.Limits, o.Resume)
}

func (b *Broker) settings() *Options { return b.options.Load() }

// Run serves until ctx ends, aborts the connections that are left, and returns after every goroutine of the broker has
// ended. It must be called once only. For an orderly end call [Broker.Shutdown] before ctx ends.
func (b *Broker) Run(ctx context.Context) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var writing sync.WaitGroup
	writing.Go(func() { b.out.Run(serving, b.tick()) })
	<-ctx.Done()
	b.out.AbortAll(serving, b.stopAccepting(wire.CloseShutdown()))
	b.tasks.Wait()
	stop()
	writing.Wait()
}

// Count returns how many connections there are, including those being upgraded, not including those being refused.
func (b *Broker) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// Counts has the totals of a broker since it was made.
type Counts struct {
	// Opened are the connections that were upgraded.
	Opened uint64
	// Closed are those that have ended, by [wire.CodeClass].
	Closed map[string]uint64
	// Refused are the requests that did not become a connection, by a word for the reason: "host", "origin", "address" (the
	// address has too many connections, or opens them too fast), "full", "connect"
	// (the handler has refused it), "stopping" or "handshake".
	Refused map[string]uint64
	// Queued are the bytes in all send queues now; a frame that several share counts for each of them.
	Queued int64
	// Kept are the bytes that are kept now for clients that are away, counted in the same way.
	Kept int64
}

// Counts returns the totals.
func (b *Broker) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Counts{
		Opened: b.out.Joined(), Closed: maps.Clone(b.closed), Refused: maps.Clone(b.refused), Queued: b.out.Queued(), Kept: b.out.Kept(),
	}
}

// zeroCounts returns a count of 0 for each name.
func zeroCounts(names []string) map[string]uint64 {
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

// stopAccepting refuses new connections from now on, and returns the reason that was given first.
func (b *Broker) stopAccepting(why wire.Close) wire.Close {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopReason == nil {
		b.stopReason = &why
		for _, cancel := range b.connectCalls {
			cancel()
		}
	}
	return *b.stopReason
}

// increment adds one to a count of closed or refused.
func (b *Broker) increment(counts map[string]uint64, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts[name]++
}

// release undoes acquireAddress and acquireSlot for a connection.
func (b *Broker) release(peer auth.Peer) {
	b.releaseAddress(peer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uncount()
}

// uncount takes a connection from the count. mu must be held.
func (b *Broker) uncount() {
	b.count--
	if b.count == 0 {
		select {
		case b.emptied <- struct{}{}:
		default:
		}
	}
}
