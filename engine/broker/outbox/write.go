package outbox

import (
	"errors"
	"os"
	"syscall"
	"time"

	"perigee/engine/wire"
)

const (
	// maxJoined is how many bytes of short frames are copied together for one write; minAlone is the size of a frame, in
	// bytes, that is not worth copying.
	maxJoined = 64 << 10
	minAlone  = 16 << 10
)

// push queues a frame, or cuts the line when its queue is too long.
func (s *shard) push(l *Line, f *Frame) {
	if l.state != open {
		return
	}
	if s.isFull(l, f) {
		s.flush(l) // much may have come in one walk
		if l.state != open {
			return
		}
		if s.isFull(l, f) {
			s.cutSlow(l)
			return
		}
	}
	l.count++
	l.bytes += len(f.bytes)
	s.append(l, entry{f, true})
}

// isFull tells whether a frame has no place in a queue.
func (s *shard) isFull(l *Line, f *Frame) bool {
	if l.count == 0 {
		return false
	}
	limits := s.out.limits.Load()
	return limits.SendQueueMessages > 0 && l.count >= limits.SendQueueMessages ||
		limits.SendQueueBytes > 0 && int64(l.bytes)+int64(len(f.bytes)) > int64(limits.SendQueueBytes)
}

// pushLatest queues a frame in the place of an earlier one.
func (s *shard) pushLatest(l *Line, f *Frame) {
	if l.state != open {
		return
	}
	if l.latest >= 0 {
		old := &l.queue[l.latest]
		l.total += len(f.bytes) - len(old.frame.bytes)
		old.frame = f
		s.mark(l)
		return
	}
	s.append(l, entry{f, false})
	l.latest = len(l.queue) - 1
}

// append adds to a queue what has its place there.
func (s *shard) append(l *Line, e entry) {
	if l.queue == nil && len(s.spare) > 0 {
		l.queue = s.spare[len(s.spare)-1]
		s.spare = s.spare[:len(s.spare)-1]
	}
	if len(l.queue) == cap(l.queue) && l.head > len(l.queue)/2 {
		l.shift()
	}
	l.queue = append(l.queue, e)
	l.total += len(e.frame.bytes)
	s.mark(l)
}

// shift makes room at the end of a queue that is never empty.
func (l *Line) shift() {
	n := copy(l.queue, l.queue[l.head:])
	clear(l.queue[n:])
	l.queue = l.queue[:n]
	if l.latest >= 0 {
		l.latest -= l.head
	}
	l.head = 0
}

// mark has a line written at the end of the walk.
func (s *shard) mark(l *Line) {
	if !l.dirty {
		l.dirty = true
		s.dirty = append(s.dirty, l)
	}
}

// flush writes what the socket takes. What it does not take is written when it can be, by another goroutine.
func (s *shard) flush(l *Line) {
	if l.state == gone {
		return
	}
	for !l.lent && l.head < len(l.queue) {
		p := s.gather(l)
		n, err := s.attempt(l, p)
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			s.remove(l) // whoever reads notices
			return
		}
		s.advance(l, n)
		if n < len(p) {
			s.lend(l)
		}
	}
	s.publish(l)
	if l.head < len(l.queue) {
		return
	}
	s.keep(l)
	if l.state == closing {
		s.closeSent(l)
	}
}

// gather returns the bytes that are written next: one long frame, or as many short ones as are worth joining. They are
// good until the next call.
func (s *shard) gather(l *Line) []byte {
	first := l.queue[l.head].frame.bytes[l.offset:]
	if l.head == len(l.queue)-1 || len(first) >= minAlone {
		return first
	}
	p := append(s.joined[:0], first...)
	for _, e := range l.queue[l.head+1:] {
		if len(e.frame.bytes) >= minAlone || len(p)+len(e.frame.bytes) > maxJoined {
			break
		}
		p = append(p, e.frame.bytes...)
	}
	return p
}

// attempt writes what the socket takes at once.
func (s *shard) attempt(l *Line, p []byte) (int, error) {
	if l.raw == nil {
		return 0, nil
	}
	s.in, s.n, s.err = p, 0, nil
	err := l.raw.Write(s.once)
	s.in = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

// advance takes n written bytes off the queue.
func (s *shard) advance(l *Line, n int) {
	l.total -= n
	l.offset += n
	for l.offset > 0 {
		e := &l.queue[l.head]
		l.begin(e)
		size := len(e.frame.bytes)
		if l.offset < size {
			return
		}
		l.offset -= size
		*e = entry{}
		l.head++
	}
}

// begin notes that the first frame of the queue is being written: it counts against no limit any more, and nothing
// replaces it.
func (l *Line) begin(e *entry) {
	if e.counted {
		e.counted = false
		l.count--
		l.bytes -= len(e.frame.bytes)
	}
	if l.latest == l.head {
		l.latest = -1
	}
}

// lend has a goroutine wait until the socket takes the first frame of the queue, or some of it.
func (s *shard) lend(l *Line) {
	e := &l.queue[l.head]
	l.begin(e)
	l.lent = true
	s.blocked[l] = struct{}{}
	rest := e.frame.bytes[l.offset:]
	timeout := s.out.limits.Load().WriteTimeout.Std()
	s.out.writers.Go(func() {
		n, err := l.writeSoon(rest, timeout)
		s.post(order{do: call, call: func(s *shard) { s.giveBack(l, n, err) }})
	})
}

// giveBack ends what lend began.
func (s *shard) giveBack(l *Line, n int, err error) {
	if l.state == gone {
		return
	}
	l.lent = false
	delete(s.blocked, l)
	s.advance(l, n)
	switch {
	case err == nil:
		s.mark(l)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.cutSlow(l)
	default:
		s.remove(l) // whoever reads notices
	}
}

// keep takes back the memory of a queue that is empty, or that nobody will write.
func (s *shard) keep(l *Line) {
	if cap(l.queue) > 0 && cap(l.queue) <= keptFrames {
		clear(l.queue)
		s.spare = append(s.spare, l.queue[:0])
	}
	l.queue, l.head, l.offset, l.latest = nil, 0, 0, -1
	l.count, l.bytes = 0, 0
}

// publish counts what a line's queue has grown by.
func (s *shard) publish(l *Line) {
	s.queued += l.total - l.published
	l.published = l.total
}

// settle tells the others how much more is queued here, and has the longest queues go while it is too much. It counts
// what is left after writing; a frame that several queues share counts for each of them. So the count is never below the
// memory, and to cut a queue takes off what it counted: otherwise those that wait for one and the same frame would all be
// cut before the count fell. To count it once, the shards would have to share a counter for each frame and change it for
// each client.
func (s *shard) settle() {
	o := s.out
	limit := int64(o.limits.Load().SendMemory)
	total := o.queued.Load()
	if s.queued != 0 {
		total = o.queued.Add(int64(s.queued))
		s.queued = 0
	}
	if limit <= 0 || total <= limit/2 {
		return
	}
	for {
		l := s.heaviest()
		if total <= limit {
			return
		}
		if other := o.heaviest(); other != s {
			other.post(order{do: call, call: (*shard).settle})
			return
		}
		if l == nil {
			return
		}
		s.cutSlow(l)
		total = o.queued.Add(int64(s.queued))
		s.queued = 0
	}
}

// heaviest returns the line with the longest queue, if any has one, and notes its length.
func (s *shard) heaviest() *Line {
	var most *Line
	for l := range s.blocked {
		if most == nil || l.total > most.total {
			most = l
		}
	}
	if most == nil {
		s.longest.Store(0)
	} else {
		s.longest.Store(int64(most.total))
	}
	return most
}

// cutSlow ends a line whose client does not take what it is sent.
func (s *shard) cutSlow(l *Line) {
	l.to.Slow(l.total)
	s.cut(l, wire.CloseTooSlow())
}

// writeNow writes what the socket takes without waiting.
func writeNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}

// writeSoon waits until the socket takes some of p, at most for a time, where that is not 0.
func (l *Line) writeSoon(p []byte, timeout time.Duration) (int, error) {
	if timeout > 0 {
		if err := l.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return 0, err
		}
		defer func() { _ = l.conn.SetWriteDeadline(time.Time{}) }() // fails only on a socket that is closed
	}
	if l.raw == nil {
		return l.conn.Write(p)
	}
	var n int
	var err error
	waitErr := l.raw.Write(func(fd uintptr) bool {
		n, err = writeNow(fd, p)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return n, err
}
