package outbox

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// opKind says which operation an op asks for.
type opKind uint8

const (
	opJoin opKind = iota
	opReaderDone
	opSend
	opSendLatest
	opPublish
	opSubscribe
	opUnsubscribe
	opClose
	opCall
)

// op is an operation that a shard is to carry out; which fields are used depends on the kind.
type op struct {
	kind   opKind
	keep   bool // of opReaderDone
	sender *Sender
	frame  *Frame
	topic  TopicID
	call   func(sh *shard)
}

// Lists up to these capacities are kept for further use; longer ones are left to the garbage collector.
const (
	maxKeptOps    = 64 << 10
	maxKeptFrames = 64 // of a send queue
)

// shard owns a part of the senders: their queues, their topics and the writing. Any goroutine may post operations;
// everything else belongs to the goroutine of run.
type shard struct {
	// Set by newShard, never changed.
	out       *Outbox
	wake      chan struct{}             // capacity 1; post sends, run receives; never closed
	stopped   chan struct{}             // closed when run has ended
	writeOnce func(socket uintptr) bool // the callback for RawConn.Write in tryWrite

	mu sync.Mutex
	// Guarded by mu.
	ops   []op
	ended bool // operations are not accepted any more

	// Owned by run.
	batch      []op // the list that ops is swapped with
	senders    []*Sender
	topics     map[TopicID]map[*Sender]struct{}
	dirty      []*Sender            // to be written after this batch
	blocked    map[*Sender]struct{} // senders with a writer that waits for the socket
	away       map[*Sender]struct{} // senders for which frames are kept
	waiting    map[*Sender][]op     // operations on senders whose transfer has not come
	joined     []byte               // short frames that are written at once
	freeQueues [][]entry            // queues that are not in use
	deflater   deflater
	queued     budget            // of Outbox.queued
	kept       budget            // of Outbox.kept
	drained    []chan<- struct{} // closed once no sender is blocked

	// Owned by run: argument and results of writeOnce.
	writeBytes []byte
	written    int
	writeErr   error
}

func newShard(o *Outbox) *shard {
	sh := &shard{
		out:     o,
		wake:    make(chan struct{}, 1),
		topics:  map[TopicID]map[*Sender]struct{}{},
		stopped: make(chan struct{}),
		blocked: map[*Sender]struct{}{},
		away:    map[*Sender]struct{}{},
		waiting: map[*Sender][]op{},
		queued:  budget{total: &o.queued},
		kept:    budget{total: &o.kept},
		joined:  make([]byte, 0, maxJoined),
	}
	sh.writeOnce = func(fd uintptr) bool {
		sh.written, sh.writeErr = writeNonBlocking(fd, sh.writeBytes)
		return true
	}
	return sh
}

// post queues an operation. It returns false if the shard has ended.
func (sh *shard) post(o op) bool {
	sh.mu.Lock()
	if sh.ended {
		sh.mu.Unlock()
		return false
	}
	sh.ops = append(sh.ops, o)
	first := len(sh.ops) == 1
	sh.mu.Unlock()
	if first {
		select {
		case sh.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// callAndWait calls f on the goroutine of the shard and waits for it. It returns false if ctx ends before or the shard has
// ended. If ctx has ended already, f is not called.
func (sh *shard) callAndWait(ctx context.Context, f func()) bool {
	if ctx.Err() != nil {
		return false
	}
	done := make(chan struct{})
	if !sh.post(op{kind: opCall, call: func(*shard) { f(); close(done) }}) {
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// run carries out operations until ctx ends, and checks the deadlines of its senders every tick.
func (sh *shard) run(ctx context.Context, tick time.Duration) {
	defer close(sh.stopped)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			sh.mu.Lock()
			sh.ended = true
			sh.mu.Unlock()
			sh.runBatch()
			for len(sh.senders) > 0 {
				sh.remove(sh.senders[0])
			}
			return
		case <-sh.wake:
			runtime.Gosched() // the goroutine that posted may post more
		case <-ticker.C:
			sh.tick(sh.out.now())
		}
		sh.runBatch()
	}
}

// runBatch applies all operations that have come in, and then writes to each connection once.
func (sh *shard) runBatch() {
	sh.mu.Lock()
	sh.ops, sh.batch = sh.batch[:0], sh.ops
	sh.mu.Unlock()
	for i := range sh.batch {
		sh.apply(&sh.batch[i])
	}
	if cap(sh.batch) > maxKeptOps {
		sh.batch = nil
	}
	clear(sh.batch)
	for _, s := range sh.dirty {
		s.dirty = false
		sh.flush(s)
	}
	clear(sh.dirty)
	sh.dirty = sh.dirty[:0]
	sh.enforceMemory()
	if len(sh.blocked) == 0 {
		for _, done := range sh.drained {
			close(done)
		}
		sh.drained = nil
	}
}

func (sh *shard) apply(o *op) {
	if len(sh.waiting) > 0 && sh.deferred(o) {
		return
	}
	s := o.sender
	switch o.kind {
	case opJoin:
		sh.join(s)
	case opReaderDone:
		sh.readerDone(s, o.keep)
	case opSend:
		sh.push(s, o.frame)
	case opSendLatest:
		sh.pushLatest(s, o.frame)
	case opClose:
		sh.close(s)
	case opSubscribe:
		sh.subscribe(s, o.topic)
	case opUnsubscribe:
		sh.unsubscribe(s, o.topic)
	case opPublish:
		for s := range sh.topics[o.topic] {
			sh.push(s, o.frame)
		}
	case opCall:
		o.call(sh)
	}
}

func (sh *shard) join(s *Sender) {
	s.state = stateOpen
	s.index = len(sh.senders)
	sh.senders = append(sh.senders, s)
}

// remove closes the socket of a sender. Unless the client may come back, it forgets the sender.
func (sh *shard) remove(s *Sender) {
	if s.state == stateRemoved || s.state == stateNew {
		return
	}
	s.state = stateRemoved
	last := sh.senders[len(sh.senders)-1]
	sh.senders[s.index], last.index = last, s.index
	sh.senders[len(sh.senders)-1] = nil
	sh.senders = sh.senders[:len(sh.senders)-1]
	if s.canComeBack() {
		sh.leave(s)
	} else {
		sh.forget(s)
	}
	delete(sh.blocked, s)
	s.total = 0
	sh.account(s)
	sh.releaseQueue(s)
	_ = s.conn.Close() // the client is gone, or has been told
}

func (sh *shard) subscribe(s *Sender, t TopicID) {
	if !s.accepts() || slices.Contains(s.topics, t) {
		return
	}
	s.topics = append(s.topics, t)
	subscribers := sh.topics[t]
	if subscribers == nil {
		subscribers = map[*Sender]struct{}{}
		sh.topics[t] = subscribers
	}
	subscribers[s] = struct{}{}
}

func (sh *shard) unsubscribe(s *Sender, t TopicID) {
	if i := slices.Index(s.topics, t); i >= 0 {
		s.topics = slices.Delete(s.topics, i, i+1)
		sh.removeSubscriber(s, t)
	}
}

// removeSubscriber removes a sender from a topic. It is idempotent.
func (sh *shard) removeSubscriber(s *Sender, t TopicID) {
	subscribers := sh.topics[t]
	delete(subscribers, s)
	if len(subscribers) == 0 {
		delete(sh.topics, t)
	}
}
