package outbox

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"perigee/engine/wire"
)

// Line is the way to one client: a queue, topics, and an end. It is a part of whatever stands for the client, and good
// for nothing before [Outbox.Join]. Its methods may be called by any goroutine and never block. What one goroutine asks
// for happens in that order; after the end of the line it does nothing.
type Line struct {
	// Set by Join, never changed.
	id    uint64
	shard *shard
	conn  net.Conn
	raw   syscall.RawConn // of conn; nil where that is not the system's
	to    Recipient

	// Used by any goroutine.
	end atomic.Pointer[Ending] // how it ends; the first one holds

	// Owned by the shard.
	state     state
	left      bool // nothing is read from the client any more
	lent      bool // a goroutine waits to write the first frame of the queue
	dirty     bool // stands in shard.dirty
	slot      int  // in shard.lines
	latest    int  // in queue: the frame that the next SendLatest replaces; -1 where there is none
	head      int  // in queue: the first frame that is not written
	offset    int  // bytes of that frame that are written
	count     int  // frames that count against the limits
	bytes     int  // of those frames
	total     int  // bytes of all frames, written ones not
	published int  // how much of total is in Outbox.queued
	queue     []entry
	topics    []TopicID
	due       time.Duration // when a line that is being closed is cut
}

// Ending is how a line ends.
type Ending struct {
	Why  wire.Close
	Echo bool // the client began it: once its close frame is answered nothing more comes
	Lost bool // what comes from the client makes no sense any more: its close frame will not be recognized
}

// entry is a frame in a queue.
type entry struct {
	frame   *Frame
	counted bool // against the limits of the queue
}

// state is how far a line has come, as its shard sees it.
type state uint8

const (
	joining state = iota // the shard does not know it yet
	open
	closing // the close frame is the last in the queue
	closed  // the close frame has been written; the client may still say something
	gone
)

// ID is a number that no other line of this outbox has had.
func (l *Line) ID() uint64 { return l.id }

// Send queues a frame. A client that reads so slowly that its queue gets longer than the limits is cut with 4408. One
// frame is always taken while the queue is empty, and what is being written does not count.
func (l *Line) Send(f *Frame) { l.shard.post(order{do: send, line: l, frame: f}) }

// SendLatest queues a frame in the place of the last one that was sent this way, if not a byte of that has left; else
// at the end. Such frames do not count against the limits of the queue.
func (l *Line) SendLatest(f *Frame) { l.shard.post(order{do: sendLatest, line: l, frame: f}) }

// Subscribe adds the line to a topic. Twice is once.
func (l *Line) Subscribe(t TopicID) { l.shard.post(order{do: subscribe, line: l, topic: t}) }

// Unsubscribe takes the line out of a topic.
func (l *Line) Unsubscribe(t TopicID) { l.shard.post(order{do: unsubscribe, line: l, topic: t}) }

// Finish says how the line ends, unless that is settled, and has it closed after what was sent before.
func (l *Line) Finish(e Ending) {
	if l.end.CompareAndSwap(nil, &e) {
		l.shard.post(order{do: finish, line: l})
	}
}

// Finished tells whether it is settled how the line ends.
func (l *Line) Finished() bool { return l.end.Load() != nil }

// Leave is told, once, that nothing will be read from the client any more: the line ends, with why unless that is
// settled. It returns how it does end.
func (l *Line) Leave(why wire.Close) wire.Close {
	l.end.CompareAndSwap(nil, &Ending{Why: why})
	l.shard.post(order{do: leave, line: l})
	return l.end.Load().Why
}
