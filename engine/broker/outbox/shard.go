package outbox

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// verb is what an order asks for.
type verb uint8

const (
	join verb = iota
	leave
	send
	sendLatest
	publish
	subscribe
	unsubscribe
	finish
	call
)

// order is what a shard is to do; which fields count depends on the verb.
type order struct {
	do    verb
	line  *Line
	frame *Frame
	topic TopicID
	call  func(s *shard)
}

// keptOrders is the longest list of orders, and keptFrames the longest send queue, whose memory is kept for the next.
const (
	keptOrders = 64 << 10
	keptFrames = 64
)

// shard owns a part of the lines: their queues, their topics and the writing. Anybody may post orders; the rest belongs to
// its goroutine.
type shard struct {
	// Set by newShard, never changed.
	out  *Outbox
	wake chan struct{}             // capacity 1; post sends, run receives; never closed
	once func(socket uintptr) bool // what attempt has RawConn.Write do

	longest atomic.Int64 // bytes of its longest queue, when that was last of interest

	mu sync.Mutex
	// Guarded by mu.
	orders []order
	ended  bool // nobody will take orders any more

	// Owned by run.
	taken   []order // the list that orders is swapped with
	lines   []*Line
	topics  map[TopicID]map[*Line]struct{}
	dirty   []*Line            // to be written in this walk
	blocked map[*Line]struct{} // those that are lent
	joined  []byte             // short frames that are written at once
	spare   [][]entry          // queues that nobody uses
	queued  int                // what Outbox.queued is to grow by
	drained []chan<- struct{}  // closed once no line is blocked
	in      []byte             // of attempt
	n       int
	err     error
}

func newShard(o *Outbox) *shard {
	s := &shard{
		out:     o,
		wake:    make(chan struct{}, 1),
		topics:  map[TopicID]map[*Line]struct{}{},
		blocked: map[*Line]struct{}{},
		joined:  make([]byte, 0, maxJoined),
	}
	s.once = func(fd uintptr) bool {
		s.n, s.err = writeNow(fd, s.in)
		return true
	}
	return s
}

// post hands the shard an order. It returns false when nobody will take it any more.
func (s *shard) post(o order) bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.orders = append(s.orders, o)
	first := len(s.orders) == 1
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// ask has the shard call f, and waits for that. It returns false when ctx ends before, or nobody will call it. Where ctx has
// ended already, nobody does.
func (s *shard) ask(ctx context.Context, f func()) bool {
	if ctx.Err() != nil {
		return false
	}
	done := make(chan struct{})
	if !s.post(order{do: call, call: func(*shard) { f(); close(done) }}) {
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// run takes orders until ctx ends, and looks at the times of its lines every tick.
func (s *shard) run(ctx context.Context, tick time.Duration) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.mu.Lock()
			s.ended = true
			s.mu.Unlock()
			s.walk()
			for len(s.lines) > 0 {
				s.remove(s.lines[0])
			}
			return
		case <-s.wake:
			runtime.Gosched() // whoever woke us may have more to say
		case <-ticker.C:
			s.tick(s.out.now())
		}
		s.walk()
	}
}

// walk applies all orders that have come in, and then writes each line once.
func (s *shard) walk() {
	s.mu.Lock()
	s.orders, s.taken = s.taken[:0], s.orders
	s.mu.Unlock()
	for i := range s.taken {
		s.apply(&s.taken[i])
	}
	if cap(s.taken) > keptOrders {
		s.taken = nil
	}
	clear(s.taken)
	for _, l := range s.dirty {
		l.dirty = false
		s.flush(l)
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	s.settle()
	if len(s.blocked) == 0 {
		for _, done := range s.drained {
			close(done)
		}
		s.drained = nil
	}
}

func (s *shard) apply(o *order) {
	l := o.line
	switch o.do {
	case join:
		s.join(l)
	case leave:
		s.leave(l)
	case send:
		s.push(l, o.frame)
	case sendLatest:
		s.pushLatest(l, o.frame)
	case finish:
		s.close(l)
	case subscribe:
		s.subscribe(l, o.topic)
	case unsubscribe:
		s.unsubscribe(l, o.topic)
	case publish:
		for l := range s.topics[o.topic] {
			s.push(l, o.frame)
		}
	case call:
		o.call(s)
	}
}

// join takes in a line.
func (s *shard) join(l *Line) {
	l.state = open
	l.slot = len(s.lines)
	s.lines = append(s.lines, l)
}

// remove closes the connection of a line and forgets it.
func (s *shard) remove(l *Line) {
	if l.state == gone || l.state == joining {
		return
	}
	l.state = gone
	last := s.lines[len(s.lines)-1]
	s.lines[l.slot], last.slot = last, l.slot
	s.lines[len(s.lines)-1] = nil
	s.lines = s.lines[:len(s.lines)-1]
	for len(l.topics) > 0 {
		s.unsubscribe(l, l.topics[0])
	}
	delete(s.blocked, l)
	l.total = 0
	s.publish(l)
	s.keep(l)
	_ = l.conn.Close() // the client is gone, or has been told
}

func (s *shard) subscribe(l *Line, t TopicID) {
	if l.state != open || slices.Contains(l.topics, t) {
		return
	}
	l.topics = append(l.topics, t)
	subscribers := s.topics[t]
	if subscribers == nil {
		subscribers = map[*Line]struct{}{}
		s.topics[t] = subscribers
	}
	subscribers[l] = struct{}{}
}

func (s *shard) unsubscribe(l *Line, t TopicID) {
	i := slices.Index(l.topics, t)
	if i < 0 {
		return
	}
	l.topics = slices.Delete(l.topics, i, i+1)
	subscribers := s.topics[t]
	delete(subscribers, l)
	if len(subscribers) == 0 {
		delete(s.topics, t)
	}
}
