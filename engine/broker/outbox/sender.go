package outbox

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"perigee/engine/wire"
)

// Sender is the outbound side of one connection: its send queue, its topics, and how it is closed. It is embedded in
// whatever represents the client, and must not be used before [Outbox.Join]. Its methods are safe for concurrent use and
// never block. Calls from one goroutine take effect in that order; after the connection has been closed they do nothing.
type Sender struct {
	// Set by Join, never changed.
	id        uint64
	shard     *shard
	conn      net.Conn
	raw       syscall.RawConn // of conn; nil if frames cannot be written without waiting
	transport Transport
	compress  bool    // long frames are sent compressed
	memory    *memory // nil if the connection cannot be resumed; what it points to is owned by the shard

	// Used by any goroutine.
	closeRequest atomic.Pointer[CloseRequest] // the first one; nil while the connection is open

	// Owned by the shard.
	state      state
	readerDone bool // nothing is read from the client any more
	slow       bool // it is being closed because its client reads too slowly
	hasWriter  bool // a goroutine waits to write the first frame of the queue
	dirty      bool // is in shard.dirty
	waiting    bool // is in shard.waiting
	away       bool // frames are kept in memory instead of being queued for the socket
	asks       bool // the client is to be asked to confirm what it has received
	index      int  // in shard.senders
	latest     int  // in queue: the frame that the next SendLatest replaces; -1 if there is none
	head       int  // in queue: the first frame that is not written
	offset     int  // bytes of that frame that are written
	frames     int  // number of queued frames that count against the limits
	bytes      int  // total size of those frames
	total      int  // bytes of all frames that are not written
	accounted  int  // how much of total is in Outbox.queued
	queue      []entry
	topics     []TopicID
	deadline   time.Duration // when a connection that is being closed is removed
}

// CloseRequest says how a connection is to be closed.
type CloseRequest struct {
	Why wire.Close
	// Reply is set if the client began to close: nothing comes from it after its close frame is answered.
	Reply bool
	// OutOfSync is set if what the client sends can no longer be parsed, so that its close frame will not be recognized.
	OutOfSync bool
	// Resumable is set if the client may come back to the connection, because neither side has ended it on purpose.
	Resumable bool
}

// entry is a frame in a queue.
type entry struct {
	frame      *Frame
	limited    bool // it counts against the limits of the queue
	unnumbered bool // it is a text frame that the memory of the connection has not numbered yet
}

// state is the progress of a sender, as its shard sees it.
type state uint8

const (
	stateNew       state = iota // its shard has not taken it in yet
	stateOpen                   // frames are accepted
	stateClosing                // the close frame is the last in the queue
	stateCloseSent              // the close frame has been written; the client may still send
	stateRemoved
)

// ID returns a number that no other sender of this outbox has had.
func (s *Sender) ID() uint64 { return s.id }

// Send queues a frame. If the client reads so slowly that its queue exceeds the limits, the queue is dropped and the connection
// closed with 4408. A frame is always accepted while the queue is empty, and a frame that is being written does not count.
func (s *Sender) Send(f *Frame) { s.shard.post(op{kind: opSend, sender: s, frame: f}) }

// SendAll queues frames that do not count against the limits of the queue: a client that asks for many frames at once is not too
// slow. The caller must not change the list.
func (s *Sender) SendAll(frames []*Frame) {
	s.shard.post(op{kind: opCall, call: func(sh *shard) { sh.pushAll(s, frames) }})
}

// SendLatest queues a frame in place of the last one that was sent this way, if no byte of that has been written;
// otherwise at the end. Such frames do not count against the limits of the queue.
func (s *Sender) SendLatest(f *Frame) { s.shard.post(op{kind: opSendLatest, sender: s, frame: f}) }

// Subscribe adds the sender to a topic. It is idempotent.
func (s *Sender) Subscribe(t TopicID) { s.shard.post(op{kind: opSubscribe, sender: s, topic: t}) }

// Unsubscribe removes the sender from a topic. It is idempotent.
func (s *Sender) Unsubscribe(t TopicID) { s.shard.post(op{kind: opUnsubscribe, sender: s, topic: t}) }

// Close closes the connection after everything sent before. It reports whether this is the first call; additional calls are no-ops.
func (s *Sender) Close(r CloseRequest) (first bool) {
	first = s.closeRequest.CompareAndSwap(nil, &r)
	if first {
		s.shard.post(op{kind: opClose, sender: s})
	}
	return first
}

// IsClosing reports whether the connection is being closed, or has been.
func (s *Sender) IsClosing() bool { return s.closeRequest.Load() != nil }

// Ended must be called once, before ReaderDone. It makes why the reason for which the connection ends, unless Close was called
// before, and returns the request that applies.
func (s *Sender) Ended(why wire.Close) CloseRequest {
	s.setFailed(why)
	return *s.closeRequest.Load()
}

// ReaderDone must be called once, when nothing will be read from the client any more. It closes the socket. If keep is set and the
// connection can be resumed, it is away from then on, and [Transport.Over] is called when it is over; otherwise it is over.
func (s *Sender) ReaderDone(keep bool) {
	s.shard.post(op{kind: opReaderDone, sender: s, keep: keep})
}

// setFailed makes why the reason for which the connection ends without the client's or the application's doing, unless it has a
// reason.
func (s *Sender) setFailed(why wire.Close) {
	if s.closeRequest.Load() == nil {
		s.closeRequest.CompareAndSwap(nil, &CloseRequest{Why: why, Resumable: true})
	}
}
