package broker

import (
	"errors"
	"os"
	"syscall"

	"perigee/engine/wire"
)

const (
	// maxJoined is how many bytes of short frames are copied together for one write; minAlone is the size of a frame, in
	// bytes, that is not worth copying.
	maxJoined = 64 << 10
	minAlone  = 16 << 10
)

// push queues a frame, or cuts the connection when its queue is too long.
func (s *shard) push(c *Conn, f *Frame) {
	if c.state != open {
		return
	}
	if s.isFull(c, f) {
		s.flush(c) // much may have come in one walk
		if c.state != open {
			return
		}
		if s.isFull(c, f) {
			s.cutSlow(c)
			return
		}
	}
	c.count++
	c.bytes += len(f.bytes)
	s.append(c, entry{f, true})
}

// isFull tells whether a frame has no place in a queue.
func (s *shard) isFull(c *Conn, f *Frame) bool {
	if c.count == 0 {
		return false
	}
	limits := &s.broker.settings().Limits
	return limits.SendQueueMessages > 0 && c.count >= limits.SendQueueMessages ||
		limits.SendQueueBytes > 0 && int64(c.bytes)+int64(len(f.bytes)) > int64(limits.SendQueueBytes)
}

// pushLatest queues a frame in the place of an earlier one.
func (s *shard) pushLatest(c *Conn, f *Frame) {
	if c.state != open {
		return
	}
	if c.latest >= 0 {
		old := &c.queue[c.latest]
		c.total += len(f.bytes) - len(old.frame.bytes)
		old.frame = f
		s.mark(c)
		return
	}
	s.append(c, entry{f, false})
	c.latest = len(c.queue) - 1
}

// append adds to a queue what has its place there.
func (s *shard) append(c *Conn, e entry) {
	if c.queue == nil && len(s.spare) > 0 {
		c.queue = s.spare[len(s.spare)-1]
		s.spare = s.spare[:len(s.spare)-1]
	}
	if len(c.queue) == cap(c.queue) && c.head > len(c.queue)/2 {
		c.shift()
	}
	c.queue = append(c.queue, e)
	c.total += len(e.frame.bytes)
	s.mark(c)
}

// shift makes room at the end of a queue that is never empty.
func (c *Conn) shift() {
	n := copy(c.queue, c.queue[c.head:])
	clear(c.queue[n:])
	c.queue = c.queue[:n]
	if c.latest >= 0 {
		c.latest -= c.head
	}
	c.head = 0
}

// mark has a connection written at the end of the walk.
func (s *shard) mark(c *Conn) {
	if !c.dirty {
		c.dirty = true
		s.dirty = append(s.dirty, c)
	}
}

// flush writes what the socket takes. What it does not take is written when it can be, by another goroutine.
func (s *shard) flush(c *Conn) {
	if c.state == gone {
		return
	}
	for !c.lent && c.head < len(c.queue) {
		p := s.gather(c)
		n, err := s.attempt(c, p)
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			s.remove(c) // the reader notices
			return
		}
		s.advance(c, n)
		if n < len(p) {
			s.lend(c)
		}
	}
	s.publish(c)
	if c.head < len(c.queue) {
		return
	}
	s.keep(c)
	if c.state == closing {
		s.closeSent(c)
	}
}

// gather returns the bytes that are written next: one long frame, or as many short ones as are worth joining. They are
// good until the next call.
func (s *shard) gather(c *Conn) []byte {
	first := c.queue[c.head].frame.bytes[c.offset:]
	if c.head == len(c.queue)-1 || len(first) >= minAlone {
		return first
	}
	p := append(s.joined[:0], first...)
	for _, e := range c.queue[c.head+1:] {
		if len(e.frame.bytes) >= minAlone || len(p)+len(e.frame.bytes) > maxJoined {
			break
		}
		p = append(p, e.frame.bytes...)
	}
	return p
}

// attempt writes what the socket takes at once.
func (s *shard) attempt(c *Conn, p []byte) (int, error) {
	if c.socket.raw == nil {
		return 0, nil
	}
	s.in, s.n, s.err = p, 0, nil
	err := c.socket.raw.Write(s.once)
	s.in = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// advance takes n written bytes off the queue.
func (s *shard) advance(c *Conn, n int) {
	c.total -= n
	c.offset += n
	for c.offset > 0 {
		e := &c.queue[c.head]
		c.begin(e)
		size := len(e.frame.bytes)
		if c.offset < size {
			return
		}
		c.offset -= size
		*e = entry{}
		c.head++
	}
}

// begin notes that the first frame of the queue is being written: it counts against no limit any more, and nothing
// replaces it.
func (c *Conn) begin(e *entry) {
	if e.counted {
		e.counted = false
		c.count--
		c.bytes -= len(e.frame.bytes)
	}
	if c.latest == c.head {
		c.latest = -1
	}
}

// lend has a goroutine wait until the socket takes the first frame of the queue, or some of it.
func (s *shard) lend(c *Conn) {
	e := &c.queue[c.head]
	c.begin(e)
	c.lent = true
	s.blocked[c] = struct{}{}
	rest := e.frame.bytes[c.offset:]
	timeout := s.broker.settings().Limits.WriteTimeout.Std()
	s.broker.writers.Go(func() {
		n, err := c.socket.writeSoon(rest, timeout)
		s.post(order{do: call, call: func(s *shard) { s.giveBack(c, n, err) }})
	})
}

// giveBack ends what lend began.
func (s *shard) giveBack(c *Conn, n int, err error) {
	if c.state == gone {
		return
	}
	c.lent = false
	delete(s.blocked, c)
	s.advance(c, n)
	switch {
	case err == nil:
		s.mark(c)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.cutSlow(c)
	default:
		s.remove(c) // the reader notices
	}
}

// keep takes back the memory of a queue that is empty, or that nobody will write.
func (s *shard) keep(c *Conn) {
	if cap(c.queue) > 0 && cap(c.queue) <= keptFrames {
		clear(c.queue)
		s.spare = append(s.spare, c.queue[:0])
	}
	c.queue, c.head, c.offset, c.latest = nil, 0, 0, -1
	c.count, c.bytes = 0, 0
}

// publish counts what a connection's queue has grown by.
func (s *shard) publish(c *Conn) {
	s.queued += c.total - c.published
	c.published = c.total
}

// settle tells the others how much more is queued here, and has the longest queues go while it is too much. It counts
// what is left after writing; a frame that several queues share counts for each of them.
func (s *shard) settle() {
	b := s.broker
	limit := int64(b.settings().Limits.SendMemory)
	total := b.queued.Load()
	if s.queued != 0 {
		total = b.queued.Add(int64(s.queued))
		s.queued = 0
	}
	if limit <= 0 || total <= limit/2 {
		return
	}
	for {
		c := s.heaviest()
		if total <= limit {
			return
		}
		if other := b.heaviest(); other != s {
			other.post(order{do: call, call: (*shard).settle})
			return
		}
		if c == nil {
			return
		}
		s.cutSlow(c)
		total = b.queued.Add(int64(s.queued))
		s.queued = 0
	}
}

// heaviest returns the connection with the longest queue, if any has one, and notes its length.
func (s *shard) heaviest() *Conn {
	var most *Conn
	for c := range s.blocked {
		if most == nil || c.total > most.total {
			most = c
		}
	}
	if most == nil {
		s.longest.Store(0)
	} else {
		s.longest.Store(int64(most.total))
	}
	return most
}

// heaviest returns the shard with the longest queue.
func (b *Broker) heaviest() *shard {
	most := b.shards[0]
	for _, s := range b.shards[1:] {
		if s.longest.Load() > most.longest.Load() {
			most = s
		}
	}
	return most
}

// cutSlow ends a connection that does not take what it is sent.
func (s *shard) cutSlow(c *Conn) {
	b := s.broker
	if times, ok := b.cutLog.due(b.now()); ok {
		b.log.Warn("broker: client too slow", "connection", c.id, "peer", c.peer.Addr, "queued_bytes", c.total, "times", times)
	}
	s.cut(c, wire.CloseTooSlow())
}
