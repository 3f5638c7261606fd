package outbox

import (
	"errors"
	"os"
	"syscall"
	"time"

	"perigee/engine/wire"
)

const (
	// maxJoined is how many bytes of short frames are copied together for one write.
	maxJoined = 64 << 10
	// minAlone is the size of a frame, in bytes, from which on it is written by itself instead of copied.
	minAlone = 16 << 10
)

// push queues a frame, or closes the connection if its queue is full. For a client that is away the frame is kept.
func (sh *shard) push(s *Sender, f *Frame) {
	if s.away {
		sh.keep(s, f, (*memory).add)
		return
	}
	if s.state != stateOpen {
		return
	}
	f = sh.encode(s, f)
	if setting, _ := sh.exceeded(s, f); setting != "" {
		sh.flush(s) // one batch may contain many frames
		if s.state != stateOpen {
			return
		}
		if setting, value := sh.exceeded(s, f); setting != "" {
			sh.closeSlow(s, setting, value)
			return
		}
	}
	s.frames++
	s.bytes += len(f.bytes)
	sh.append(s, entry{f, true, s.memory != nil && f.isText()})
	if s.asks {
		s.asks = false
		sh.append(s, entry{frame: s.ping()})
	}
}

// pushAll queues frames that do not count against the limits. For a client that is away they are kept.
func (sh *shard) pushAll(s *Sender, frames []*Frame) {
	if s.away {
		for _, f := range frames {
			sh.keep(s, f, (*memory).add)
		}
		return
	}
	if s.state != stateOpen {
		return
	}
	for _, f := range frames {
		sh.append(s, entry{sh.encode(s, f), false, s.memory != nil})
	}
}

// exceeded returns the setting that one more frame in a queue would exceed, with its value, or "".
func (sh *shard) exceeded(s *Sender, f *Frame) (setting string, value any) {
	limits := sh.out.limits.Load()
	switch {
	case s.frames == 0:
	case limits.SendQueueMessages > 0 && s.frames >= limits.SendQueueMessages:
		return "limits.send_queue_messages", limits.SendQueueMessages
	case limits.SendQueueBytes > 0 && int64(s.bytes)+int64(len(f.bytes)) > int64(limits.SendQueueBytes):
		return "limits.send_queue_bytes", limits.SendQueueBytes
	}
	return "", nil
}

// pushLatest queues a frame in place of the one that pushLatest queued before.
func (sh *shard) pushLatest(s *Sender, f *Frame) {
	if s.away {
		sh.keep(s, f, (*memory).addLatest)
		return
	}
	if s.state != stateOpen {
		return
	}
	f = sh.encode(s, f)
	if s.latest >= 0 {
		old := &s.queue[s.latest]
		s.total += len(f.bytes) - len(old.frame.bytes)
		old.frame = f
		sh.markDirty(s)
		return
	}
	sh.append(s, entry{f, false, s.memory != nil})
	s.latest = len(s.queue) - 1
}

// encode returns a frame in the form in which it goes to a sender.
func (sh *shard) encode(s *Sender, f *Frame) *Frame {
	if s.compress {
		return sh.deflater.frame(f)
	}
	return f
}

// append adds an entry to a queue without checking its limits.
func (sh *shard) append(s *Sender, e entry) {
	if s.queue == nil && len(sh.freeQueues) > 0 {
		s.queue = sh.freeQueues[len(sh.freeQueues)-1]
		sh.freeQueues = sh.freeQueues[:len(sh.freeQueues)-1]
	}
	if len(s.queue) == cap(s.queue) && s.head > len(s.queue)/2 {
		s.compact()
	}
	s.queue = append(s.queue, e)
	s.total += len(e.frame.bytes)
	sh.markDirty(s)
}

// compact moves the frames of a queue that never becomes empty to its beginning.
func (s *Sender) compact() {
	n := copy(s.queue, s.queue[s.head:])
	clear(s.queue[n:])
	s.queue = s.queue[:n]
	if s.latest >= 0 {
		s.latest -= s.head
	}
	s.head = 0
}

// markDirty has a sender flushed at the end of the batch.
func (sh *shard) markDirty(s *Sender) {
	if !s.dirty {
		s.dirty = true
		sh.dirty = append(sh.dirty, s)
	}
}

// flush writes what the socket accepts. A writer of its own writes the rest when the socket accepts more.
func (sh *shard) flush(s *Sender) {
	if s.state == stateRemoved {
		return
	}
	for !s.hasWriter && s.head < len(s.queue) {
		p := sh.gather(s)
		n, err := sh.tryWrite(s, p)
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			sh.remove(s) // the reader sees the closed socket
			return
		}
		sh.advance(s, n)
		if n < len(p) {
			sh.startWriter(s)
		}
	}
	sh.account(s)
	if s.head < len(s.queue) {
		return
	}
	sh.releaseQueue(s)
	if s.state == stateClosing {
		sh.closeSent(s)
	}
}

// gather returns the bytes to be written next: one long frame, or as many short ones as are worth joining. They are valid
// until the next call.
func (sh *shard) gather(s *Sender) []byte {
	first := s.queue[s.head].frame.bytes[s.offset:]
	if s.head == len(s.queue)-1 || len(first) >= minAlone {
		return first
	}
	p := append(sh.joined[:0], first...)
	for _, e := range s.queue[s.head+1:] {
		if len(e.frame.bytes) >= minAlone || len(p)+len(e.frame.bytes) > maxJoined {
			break
		}
		p = append(p, e.frame.bytes...)
	}
	return p
}

// tryWrite writes what the socket accepts without blocking.
func (sh *shard) tryWrite(s *Sender, p []byte) (int, error) {
	if s.raw == nil {
		return 0, nil
	}
	sh.writeBytes, sh.written, sh.writeErr = p, 0, nil
	err := s.raw.Write(sh.writeOnce)
	sh.writeBytes = nil
	if err != nil {
		return 0, err
	}
	return sh.written, sh.writeErr
}

// advance removes n written bytes from the queue.
func (sh *shard) advance(s *Sender, n int) {
	s.total -= n
	s.offset += n
	for s.offset > 0 {
		e := &s.queue[s.head]
		s.markStarted(e)
		size := len(e.frame.bytes)
		if s.offset < size {
			break
		}
		s.offset -= size
		*e = entry{}
		s.head++
	}
	if s.memory != nil {
		sh.trimKept(s)
	}
}

// markStarted records that the first frame of the queue is being written: it no longer counts against the limits, and
// SendLatest cannot replace it.
func (s *Sender) markStarted(e *entry) {
	if e.unnumbered {
		s.number(e)
	}
	if e.limited {
		e.limited = false
		s.frames--
		s.bytes -= len(e.frame.bytes)
	}
	if s.latest == s.head {
		s.latest = -1
	}
}

// startWriter starts a goroutine that waits until the socket accepts the first frame of the queue, or a part of it.
func (sh *shard) startWriter(s *Sender) {
	e := &s.queue[s.head]
	s.markStarted(e)
	s.hasWriter = true
	sh.blocked[s] = struct{}{}
	rest := e.frame.bytes[s.offset:]
	timeout := sh.out.limits.Load().WriteTimeout.Std()
	sh.out.writers.Go(func() {
		n, err := s.writeBlocking(rest, timeout)
		sh.post(op{kind: opCall, call: func(sh *shard) { sh.writerDone(s, n, err) }})
	})
}

// writerDone takes the result of a writer.
func (sh *shard) writerDone(s *Sender, n int, err error) {
	if s.state == stateRemoved {
		return
	}
	s.hasWriter = false
	delete(sh.blocked, s)
	sh.advance(s, n)
	switch {
	case err == nil:
		sh.markDirty(s)
	case errors.Is(err, os.ErrDeadlineExceeded):
		sh.closeSlow(s, "limits.write_timeout", sh.out.limits.Load().WriteTimeout)
		s.deadline = min(s.deadline, sh.out.now()+CloseTimeout) // it reads nothing
	default:
		sh.remove(s) // the reader sees the closed socket
	}
}

// releaseQueue takes the queue of a sender that is empty or removed, and keeps its memory for other senders.
func (sh *shard) releaseQueue(s *Sender) {
	if cap(s.queue) > 0 && cap(s.queue) <= maxKeptFrames {
		clear(s.queue)
		sh.freeQueues = append(sh.freeQueues, s.queue[:0])
	}
	s.queue, s.head, s.offset, s.latest = nil, 0, 0, -1
	s.frames, s.bytes = 0, 0
}

// closeSlow closes a connection whose client does not read fast enough, because of a setting. Of its queue only the rest of a
// frame that is half written remains, and then the close frame: a client that does read gets it. If the client may come back, the
// queue is kept for it. If the connection is being closed already, it is aborted.
func (sh *shard) closeSlow(s *Sender, setting string, value any) {
	if s.state != stateOpen {
		sh.abort(s, wire.CloseTooSlow())
		return
	}
	s.transport.TooSlow(setting, value, s.total)
	s.setFailed(wire.CloseTooSlow())
	if s.canComeBack() {
		sh.leave(s)
	}
	sh.dropUnwritten(s)
	sh.close(s)
	s.slow, s.deadline = true, sh.out.now()+slowTimeout
	sh.account(s)
}

// dropUnwritten removes all frames from a queue but one that is half written.
func (sh *shard) dropUnwritten(s *Sender) {
	kept := s.head
	if s.offset > 0 || s.hasWriter {
		kept++
	}
	for _, e := range s.queue[kept:] {
		s.total -= len(e.frame.bytes)
	}
	clear(s.queue[kept:])
	s.queue, s.latest, s.frames, s.bytes = s.queue[:kept], -1, 0, 0
}

// writeBlocking waits until the socket accepts some of p. A timeout of 0 means no limit.
func (s *Sender) writeBlocking(p []byte, timeout time.Duration) (int, error) {
	if timeout > 0 {
		if err := s.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return 0, err
		}
		defer func() { _ = s.conn.SetWriteDeadline(time.Time{}) }() // fails only on a closed socket
	}
	if s.raw == nil {
		return s.conn.Write(p)
	}
	var n int
	var err error
	waitErr := s.raw.Write(func(fd uintptr) bool {
		n, err = writeNonBlocking(fd, p)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return n, err
}
