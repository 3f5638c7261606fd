package harness

import (
	"net/netip"
	"slices"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

// Conn is the fake connection of a client. Its methods are called by the loop, and by the spec while the loop is idle.
type Conn struct {
	id       uint64
	opened   time.Time
	received [][]byte // frames that the spec has not taken yet
	latest   []byte   // the last of received that came by SendLatest
	topics   map[outbox.TopicID]bool
	heard    uint64      // messages that the client has sent
	closed   *wire.Close // nil while it is open
	detached bool        // the manager has been told that it is closed
}

var (
	_ broker.Conn   = (*Conn)(nil)
	_ hub.Publisher = (*publisher)(nil)
)

// ID implements broker.Conn, as the methods below do.
func (s *Conn) ID() uint64 { return s.id }

// OpenedAt is a time of the server's clock.
func (s *Conn) OpenedAt() time.Time { return s.opened }

// Subscribe subscribes the connection to a topic.
func (s *Conn) Subscribe(t outbox.TopicID) { s.topics[t] = true }

// Unsubscribe ends a subscription.
func (s *Conn) Unsubscribe(t outbox.TopicID) { delete(s.topics, t) }

// Peer is a loopback address, so that the publicly known key of specs is accepted.
func (s *Conn) Peer() auth.Peer {
	return auth.Peer{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Direct: true}
}

// Send keeps a frame until it is taken.
func (s *Conn) Send(f *outbox.Frame) {
	if s.closed == nil {
		s.received = append(s.received, f.Payload())
	}
}

// SendLatest replaces the previous frame of SendLatest if it has not been taken, as the queue of a connection does.
func (s *Conn) SendLatest(f *outbox.Frame) {
	s.received = slices.DeleteFunc(s.received, func(text []byte) bool {
		return s.latest != nil && &text[0] == &s.latest[0]
	})
	s.Send(f)
	s.latest = f.Payload()
}

// Close closes the connection. Additional calls are no-ops.
func (s *Conn) Close(why wire.Close) {
	if s.closed == nil {
		s.closed = &why
	}
}

// ResumeRequest is that of a client that asks for nothing.
func (s *Conn) ResumeRequest() broker.ResumeRequest { return broker.ResumeRequest{} }

// Heard returns how many messages the client has sent.
func (s *Conn) Heard() uint64 { return s.heard }

// Closed returns why the connection was closed, or nil while it is open.
func (s *Conn) Closed() *wire.Close { return s.closed }

// Peek returns the next frame that has not been taken, or nil if there is none.
func (s *Conn) Peek() []byte {
	if len(s.received) == 0 {
		return nil
	}
	return s.received[0]
}

// Take removes and returns the next frame, or nil if there is none.
func (s *Conn) Take() []byte {
	text := s.Peek()
	if text != nil {
		s.received = s.received[1:]
	}
	return text
}

// publisher holds all connections of a server.
type publisher struct{ conns []*Conn }

func (p *publisher) Publish(t outbox.TopicID, f *outbox.Frame) {
	for _, s := range p.conns {
		if s.topics[t] {
			s.Send(f)
		}
	}
}
