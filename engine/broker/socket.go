package broker

import (
	"container/list"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/wire"
)

const (
	// lingerBytes is how much is still read from a client after the server's close frame, for outbox.LingerTime at most:
	// were the socket closed at once, unread bytes would make the kernel reset it, and the frame might never arrive.
	lingerBytes = 64 << 10

	// longestNap is about how long a reader sleeps at the most because its client sends too fast. No more is read at once
	// than may come in that time.
	longestNap = 250 * time.Millisecond
)

// errLingered ends the reading from a client that goes on sending after the close frame.
var errLingered = errors.New("broker: too much data after the close frame")

// socket is the server's end of a TCP connection. Reading from it is held back to a number of bytes a second. Writing is
// direct until the connection is upgraded, and to those turned away; then it goes by the connection's line.
type socket struct {
	net.Conn

	// Set by Accept, never changed.
	broker *Broker
	since  time.Duration

	// Used by any goroutine.
	conn      atomic.Pointer[conn] // set by the upgrade
	reading   atomic.Bool          // a Read waits for the client
	writing   atomic.Bool          // a Write before the upgrade waits for the client
	lingering atomic.Bool          // the close frame has been written
	heard     atomic.Int64         // when bytes came last

	// Owned by whoever reads.
	received  auth.Bucket // bytes
	discarded int         // bytes read since the close frame
	tail      [7]byte     // the last bytes that were read

	place *list.Element // guarded by waitingRoom.mu; nil once the connection is upgraded or closed
}

// Read reads what has come, and then sleeps while the client is over its bytes a second: that is back-pressure on it.
func (s *socket) Read(p []byte) (int, error) {
	limits := &s.broker.settings().Limits
	rate := int64(limits.BytesPerSecond)
	if rate > 0 {
		p = p[:min(int64(len(p)), max(rate/int64(time.Second/longestNap), readBuffer))]
	}
	s.reading.Store(true)
	n, err := s.Conn.Read(p)
	s.reading.Store(false)
	if n <= 0 {
		return n, err
	}
	now := s.broker.now()
	s.heard.Store(int64(now))
	s.remember(p[:n])
	if s.lingering.Load() {
		if s.discarded += n; s.discarded > lingerBytes {
			return n, errLingered
		}
	}
	if rate > 0 {
		cost, capacity := timeFor(int64(n), rate), timeFor(int64(limits.BytesBurst), rate)
		if debt := s.received.Take(cost, capacity, now); debt > 0 {
			time.Sleep(debt) // about longestNap at most
		}
	}
	return n, err
}

// remember keeps the last bytes that were read.
func (s *socket) remember(p []byte) {
	if keep := len(s.tail) - len(p); keep > 0 {
		copy(s.tail[:keep], s.tail[len(p):])
		copy(s.tail[keep:], p)
		return
	}
	copy(s.tail[:], p[len(p)-len(s.tail):])
}

// brokenClose tells whether the last bytes are a masked close frame with a payload of one byte, which cannot hold a code
// (RFC 6455, 5.5.1). gorilla takes it for an empty one.
func (s *socket) brokenClose() bool { return s.tail[0] == outbox.CloseFrame && s.tail[1] == 0x80|1 }

// Write writes directly before the upgrade. After it only gorilla writes here, and only close frames, when the client
// has broken the protocol or the read limit.
func (s *socket) Write(p []byte) (int, error) {
	c := s.conn.Load()
	if c == nil {
		s.writing.Store(true)
		defer s.writing.Store(false)
		return s.Conn.Write(p)
	}
	if why, ok := parseClose(p); ok {
		if why.Code == wire.CodeTooLarge {
			why = wire.CloseTooLarge(int64(s.broker.settings().Limits.ReadLimit))
		}
		c.line.Finish(outbox.Ending{Why: why, Lost: true})
	}
	return len(p), nil
}

// parseClose reads the close frame of a server, as gorilla builds them.
func parseClose(frame []byte) (wire.Close, bool) {
	if len(frame) < 4 || frame[0] != outbox.CloseFrame {
		return wire.Close{}, false
	}
	return wire.Close{
		Code:   int(binary.BigEndian.Uint16(frame[2:])),
		Reason: wire.ClampReason(string(frame[4:])),
	}, true
}

// SetWriteDeadline does nothing after the upgrade: deadlines of writing are the line's.
func (s *socket) SetWriteDeadline(t time.Time) error {
	if s.conn.Load() != nil {
		return nil
	}
	return s.Conn.SetWriteDeadline(t)
}

// Close closes the connection. Twice is once.
func (s *socket) Close() error {
	s.broker.waiting.leave(s)
	return s.Conn.Close()
}

// linger has reading end soon, after the close frame was written.
func (s *socket) linger() {
	s.lingering.Store(true)
	_ = s.SetReadDeadline(time.Now().Add(outbox.LingerTime)) // fails only on a socket that is closed
}

// closeWrite tells the client that nothing more will come, where the connection can.
func (s *socket) closeWrite() {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // a client that is gone needs no goodbye
	}
}

// discard reads until nothing more comes.
func (s *socket) discard() {
	var p [readBuffer]byte
	for {
		if _, err := s.Read(p[:]); err != nil {
			return
		}
	}
}
