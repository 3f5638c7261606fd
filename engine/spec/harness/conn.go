package harness

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/manager/hub"
	"perigee/engine/wire"
)

// Conn is the fake connection of a client. Its methods are called by the loop, and by the spec while the loop is idle.
type Conn struct {
	id       uint64
	request  *handshake.Request
	opened   time.Time
	received [][]byte // frames that the spec has not taken yet
	latest   []byte   // the last of received that came by SendLatest
	topics   map[outbox.TopicID]bool
	heard    uint64      // messages that the client has sent
	closed   *wire.Close // nil while it is open
	detached bool        // the manager has been told that it is closed

	resume   broker.ResumeRequest
	greeted  bool     // it has had its first frame
	token    string   // with which the client can come back; "" if it cannot
	resumed  bool     // it goes on where another connection stopped
	complete bool     // and its client misses nothing
	away     bool     // the client has lost it
	kept     [][]byte // frames since then
	over     bool     // nobody can come back to it
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

// Send keeps a frame until it is taken. The first frame, with the token, is for the harness.
func (s *Conn) Send(f *outbox.Frame) {
	switch {
	case s.closed != nil || s.over:
	case !s.greeted && s.greet(f.Payload()):
	case s.away:
		s.kept = append(s.kept, f.Payload())
	default:
		s.received = append(s.received, f.Payload())
	}
}

// greet takes the token from the first frame. It reports whether there was one.
func (s *Conn) greet(text []byte) bool {
	s.greeted = true
	var first struct {
		Name     string
		Token    string
		Complete bool
	}
	if json.Unmarshal(text, &first) != nil || first.Name != "ConnectionResumable" && first.Name != "ConnectionResumed" {
		return false
	}
	s.token, s.resumed, s.complete = first.Token, first.Name == "ConnectionResumed", first.Complete
	return true
}

// SendAll keeps frames until they are taken.
func (s *Conn) SendAll(frames []*outbox.Frame) {
	for _, f := range frames {
		s.Send(f)
	}
}

// SendLatest replaces the previous frame of SendLatest if it has not been taken, as the queue of a connection does.
func (s *Conn) SendLatest(f *outbox.Frame) {
	isPrevious := func(text []byte) bool { return s.latest != nil && &text[0] == &s.latest[0] }
	s.received, s.kept = slices.DeleteFunc(s.received, isPrevious), slices.DeleteFunc(s.kept, isPrevious)
	s.Send(f)
	s.latest = f.Payload()
}

// Close closes the connection. Additional calls are no-ops.
func (s *Conn) Close(why wire.Close) {
	if s.closed == nil {
		s.closed = &why
	}
}

// ResumeRequest is what the client asked for. All clients of specs can come back.
func (s *Conn) ResumeRequest() broker.ResumeRequest { return s.resume }

// Request is the request that the spec has opened it with.
func (s *Conn) Request() *handshake.Request { return s.request }

// Heard returns how many messages have come from the client.
func (s *Conn) Heard() uint64 { return s.heard }

// Resume goes on where another connection stopped, unless the client remembers nothing.
func (s *Conn) Resume(from broker.Conn, received int64, hello func(complete bool, sent uint64) *outbox.Frame, done func(complete bool)) {
	complete := received >= 0
	s.Send(hello(complete, uint64(max(0, received))))
	if old, ok := from.(*Conn); ok {
		if complete {
			s.received, s.latest = slices.Concat(old.received, old.kept), old.latest
		}
		s.topics = old.topics
		old.Close(wire.CloseTakenOver())
		old.over, old.received, old.kept, old.topics = true, nil, nil, nil
	}
	done(complete)
}

// Forget ends the connection of a client that does not come back.
func (s *Conn) Forget() { s.over, s.kept, s.topics = true, nil, nil }

// Resumed reports whether the client has come back to its connection, and then whether it misses nothing.
func (s *Conn) Resumed() (resumed, complete bool) { return s.resumed, s.complete }

// Connected reports whether the client has not lost it, and it is not closed.
func (s *Conn) Connected() bool { return !s.away && s.closed == nil }

// Sent is not counted: no client of a spec outlives its server.
func (s *Conn) Sent() uint64 { return 0 }

// Kept returns nothing, for the same reason.
func (s *Conn) Kept() [][]byte { return nil }

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
