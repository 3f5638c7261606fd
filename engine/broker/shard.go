package broker

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
	closeConn
	call
)

// order is what a shard is to do; which fields count depends on the verb.
type order struct {
	do    verb
	conn  *Conn
	frame *Frame
	topic TopicID
	call  func(s *shard)
}

// keptOrders is the longest list of orders, and keptFrames the longest send queue, whose memory is kept for the next.
const (
	keptOrders = 64 << 10
	keptFrames = 64
)

// shard owns a part of the connections: their queues, their topics and the writing to them. Anybody may post orders; the
// rest belongs to its goroutine.
type shard struct {
	// Set by newShard, never changed.
	broker *Broker
	wake   chan struct{}             // capacity 1; post sends, run receives; never closed
	once   func(socket uintptr) bool // what attempt has RawConn.Write do

	longest atomic.Int64 // bytes of its longest queue, when that was last of interest

	mu sync.Mutex
	// Guarded by mu.
	orders []order
	ended  bool // nobody will take orders any more

	// Owned by run.
	taken   []order // the list that orders is swapped with
	conns   []*Conn
	topics  map[TopicID]map[*Conn]struct{}
	dirty   []*Conn            // to be written in this walk
	blocked map[*Conn]struct{} // those that are lent
	joined  []byte             // short frames that are written at once
	spare   [][]entry          // queues that nobody uses
	queued  int                // what Broker.queued is to grow by
	drained []chan<- struct{}  // closed once no connection is blocked
	in      []byte             // of attempt
	n       int
	err     error
}

func newShard(b *Broker) *shard {
	s := &shard{
		broker:  b,
		wake:    make(chan struct{}, 1),
		topics:  map[TopicID]map[*Conn]struct{}{},
		blocked: map[*Conn]struct{}{},
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

// ask has the shard call f, and waits for that. It returns false when ctx ends before, or nobody will call it.
func (s *shard) ask(ctx context.Context, f func()) bool {
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

// run takes orders until ctx ends.
func (s *shard) run(ctx context.Context) {
	ticker := time.NewTicker(s.broker.tick())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.mu.Lock()
			s.ended = true
			s.mu.Unlock()
			s.walk()
			for len(s.conns) > 0 {
				s.remove(s.conns[0])
			}
			return
		case <-s.wake:
			runtime.Gosched() // whoever woke us may have more to say
		case <-ticker.C:
			s.tick(s.broker.now())
		}
		s.walk()
	}
}

// walk applies all orders that have come in, and then writes each connection once.
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
	for _, c := range s.dirty {
		c.dirty = false
		s.flush(c)
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
	c := o.conn
	switch o.do {
	case join:
		s.join(c)
	case leave:
		s.leave(c)
	case send:
		s.push(c, o.frame)
	case sendLatest:
		s.pushLatest(c, o.frame)
	case closeConn:
		s.close(c)
	case subscribe:
		s.subscribe(c, o.topic)
	case unsubscribe:
		s.unsubscribe(c, o.topic)
	case publish:
		for c := range s.topics[o.topic] {
			s.push(c, o.frame)
		}
	case call:
		o.call(s)
	}
}

// join takes in a connection.
func (s *shard) join(c *Conn) {
	c.state = open
	c.slot = len(s.conns)
	s.conns = append(s.conns, c)
	c.nextPing = s.broker.firstPing()
}

// remove closes the socket of a connection and forgets it.
func (s *shard) remove(c *Conn) {
	if c.state == gone || c.state == joining {
		return
	}
	c.state = gone
	last := s.conns[len(s.conns)-1]
	s.conns[c.slot], last.slot = last, c.slot
	s.conns[len(s.conns)-1] = nil
	s.conns = s.conns[:len(s.conns)-1]
	for len(c.topics) > 0 {
		s.unsubscribe(c, c.topics[0])
	}
	delete(s.blocked, c)
	c.total = 0
	s.publish(c)
	s.keep(c)
	_ = c.socket.Close() // the client is gone, or has been told
}

func (s *shard) subscribe(c *Conn, t TopicID) {
	if c.state != open || slices.Contains(c.topics, t) {
		return
	}
	c.topics = append(c.topics, t)
	subscribers := s.topics[t]
	if subscribers == nil {
		subscribers = map[*Conn]struct{}{}
		s.topics[t] = subscribers
	}
	subscribers[c] = struct{}{}
}

func (s *shard) unsubscribe(c *Conn, t TopicID) {
	i := slices.Index(c.topics, t)
	if i < 0 {
		return
	}
	c.topics = slices.Delete(c.topics, i, i+1)
	subscribers := s.topics[t]
	delete(subscribers, c)
	if len(subscribers) == 0 {
		delete(s.topics, t)
	}
}
