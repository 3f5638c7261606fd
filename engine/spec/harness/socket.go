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

// Socket stands in for the connection of a client. The loop calls its methods; whoever plays the client looks at it while
// the loop is idle.
type Socket struct {
	id       uint64
	opened   time.Time
	heard    [][]byte // what it was sent and nobody has expected yet
	latest   []byte   // that of heard which came last by SendLatest
	topics   map[outbox.TopicID]bool
	closed   *wire.Close // nil while it is open
	detached bool        // the manager knows that it is closed
}

var (
	_ broker.Conn = (*Socket)(nil)
	_ hub.Outlet  = (*outlet)(nil)
)

// ID implements broker.Conn, as the methods below do.
func (s *Socket) ID() uint64 { return s.id }

// OpenedAt is by the clock of the server.
func (s *Socket) OpenedAt() time.Time { return s.opened }

// Subscribe has it hear what is published to a topic.
func (s *Socket) Subscribe(t outbox.TopicID) { s.topics[t] = true }

// Unsubscribe ends that.
func (s *Socket) Unsubscribe(t outbox.TopicID) { delete(s.topics, t) }

// Peer is this machine, so that the key of specs, which everybody knows, is good.
func (s *Socket) Peer() auth.Peer {
	return auth.Peer{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Direct: true}
}

// Send keeps a frame until it is taken.
func (s *Socket) Send(f *outbox.Frame) {
	if s.closed == nil {
		s.heard = append(s.heard, f.Payload())
	}
}

// SendLatest takes the place of the last one that nobody has looked at, as in the queue of a connection.
func (s *Socket) SendLatest(f *outbox.Frame) {
	s.heard = slices.DeleteFunc(s.heard, func(text []byte) bool {
		return s.latest != nil && &text[0] == &s.latest[0]
	})
	s.Send(f)
	s.latest = f.Payload()
}

// Close keeps why; the first time counts.
func (s *Socket) Close(why wire.Close) {
	if s.closed == nil {
		s.closed = &why
	}
}

// Closed is how it was closed, nil while it is open.
func (s *Socket) Closed() *wire.Close { return s.closed }

// Peek returns the next frame that it was sent and nobody has taken; nil is none.
func (s *Socket) Peek() []byte {
	if len(s.heard) == 0 {
		return nil
	}
	return s.heard[0]
}

// Take takes the next frame; nil is none.
func (s *Socket) Take() []byte {
	text := s.Peek()
	if text != nil {
		s.heard = s.heard[1:]
	}
	return text
}

// outlet is all sockets of a server.
type outlet struct{ sockets []*Socket }

func (o *outlet) Publish(t outbox.TopicID, f *outbox.Frame) {
	for _, s := range o.sockets {
		if s.topics[t] {
			s.Send(f)
		}
	}
}
