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
	// maxAfterClose is how many bytes are still read from a client after the server's close frame, while it may answer. If the
	// socket were closed at once, unread bytes would make the kernel reset the connection, and the frame might never arrive.
	maxAfterClose = 64 << 10

	// maxReadPause is about how long a reader sleeps at most because its client sends too fast. A single read takes no more
	// than may come in that time.
	maxReadPause = 250 * time.Millisecond
)

// errDataAfterClose ends the reading from a client that goes on sending after the close frame.
var errDataAfterClose = errors.New("broker: too much data after the close frame")

// socket is the server's end of a TCP connection. It limits how many bytes a second are read. Writing is direct until the
// connection is upgraded, and to clients that are told that the server is full; otherwise it goes through the sender.
type socket struct {
	net.Conn

	// Set by Accept, never changed.
	broker     *Broker
	acceptedAt time.Duration

	// Used by any goroutine.
	conn      atomic.Pointer[conn] // set by the upgrade
	reading   atomic.Bool          // a Read waits for the client
	writing   atomic.Bool          // a Write before the upgrade waits for the client
	closeSent atomic.Bool          // the close frame has been written
	lastRead  atomic.Int64         // when bytes came last

	// Owned by the goroutine that reads.
	bytes     auth.Bucket
	scanner   scanner // of HTTP until the upgrade, then of frames that may be compressed, or nil
	discarded int     // bytes read since the close frame
	tail      [7]byte // the last bytes that were read

	element *list.Element // guarded by pendingSockets.mu; nil if the connection is upgraded or closed
}

// Read reads, and then sleeps while the client exceeds its bytes per second, which is back-pressure on the client.
func (s *socket) Read(p []byte) (int, error) {
	limits := &s.broker.settings().Limits
	rate := int64(limits.BytesPerSecond)
	if rate > 0 {
		p = p[:min(int64(len(p)), max(rate/int64(time.Second/maxReadPause), readBuffer))]
	}
	s.reading.Store(true)
	n, err := s.Conn.Read(p)
	s.reading.Store(false)
	if n <= 0 {
		return n, err
	}
	now := s.broker.now()
	s.lastRead.Store(int64(now))
	s.keepTail(p[:n])
	if s.scanner != nil {
		s.scanner.scan(p[:n])
	}
	if s.closeSent.Load() {
		if s.discarded += n; s.discarded > maxAfterClose {
			return n, errDataAfterClose
		}
	}
	if rate > 0 {
		cost, capacity := timeFor(int64(n), rate), timeFor(int64(limits.BytesBurst), rate)
		if debt := s.bytes.Take(cost, capacity, now); debt > 0 {
			time.Sleep(debt) // about maxReadPause at most
		}
	}
	return n, err
}

// keepTail keeps the last bytes that were read.
func (s *socket) keepTail(p []byte) {
	if keep := len(s.tail) - len(p); keep > 0 {
		copy(s.tail[:keep], s.tail[len(p):])
		copy(s.tail[keep:], p)
		return
	}
	copy(s.tail[:], p[len(p)-len(s.tail):])
}

// endsWithHalfCode reports whether the last bytes are a masked close frame with a payload of one byte, which cannot hold a
// code (RFC 6455, 5.5.1). gorilla takes it for an empty one.
func (s *socket) endsWithHalfCode() bool {
	return s.tail[0] == outbox.CloseFrame && s.tail[1] == 0x80|1
}

// Write writes directly before the upgrade. After it only gorilla writes here, and only close frames, when the client
// has violated the protocol or the read limit.
func (s *socket) Write(p []byte) (int, error) {
	c := s.conn.Load()
	if c == nil {
		s.writing.Store(true)
		defer s.writing.Store(false)
		return s.Conn.Write(p)
	}
	if why, ok := parseClose(p); ok {
		if why.Code == wire.CodeTooLarge {
			why = c.tooLarge(s.broker.settings().Limits.ReadLimit)
		}
		c.Sender.Close(outbox.CloseRequest{Why: why, OutOfSync: true})
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

// SetWriteDeadline does nothing after the upgrade: from then on the outbox sets the deadlines of writing.
func (s *socket) SetWriteDeadline(t time.Time) error {
	if s.conn.Load() != nil {
		return nil
	}
	return s.Conn.SetWriteDeadline(t)
}

// Close closes the connection. It is idempotent.
func (s *socket) Close() error {
	s.broker.pending.remove(s)
	return s.Conn.Close()
}

// limitReading limits the time and the bytes of reading after the close frame.
func (s *socket) limitReading(timeout time.Duration) {
	s.closeSent.Store(true)
	_ = s.SetReadDeadline(time.Now().Add(timeout)) // fails only on a closed socket
}

// limitKernelBuffer limits how many bytes the system holds for the client.
func (s *socket) limitKernelBuffer() {
	size := s.broker.settings().Limits.KernelSendBuffer
	if tcp, ok := s.Conn.(interface{ SetWriteBuffer(bytes int) error }); ok && size > 0 {
		_ = tcp.SetWriteBuffer(int(size)) // fails only if the client is gone
	}
}

// closeWrite tells the client that nothing more will come, if the connection can.
func (s *socket) closeWrite() {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only if the client is gone
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
