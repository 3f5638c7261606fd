package spec

import (
	"net/netip"
	"slices"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/manager/crowd"
	"perigee/engine/wire"
)

// socket stands in for the connection of a client. The loop calls its methods; the runner looks at it while the loop is
// idle.
type socket struct {
	id       uint64
	opened   time.Time
	heard    [][]byte // what it was sent and nobody has expected yet
	latest   []byte   // that of heard which came last by SendLatest
	topics   map[outbox.TopicID]bool
	closed   *wire.Close // nil while it is open
	detached bool        // the manager knows that it is closed
}

var (
	_ crowd.Socket = (*socket)(nil)
	_ crowd.Outlet = (*outlet)(nil)
)

func (s *socket) ID() uint64                   { return s.id }
func (s *socket) OpenedAt() time.Time          { return s.opened }
func (s *socket) Subscribe(t outbox.TopicID)   { s.topics[t] = true }
func (s *socket) Unsubscribe(t outbox.TopicID) { delete(s.topics, t) }

// Peer is this machine, so that the key of specs, which everybody knows, is good.
func (s *socket) Peer() auth.Peer {
	return auth.Peer{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Direct: true}
}

func (s *socket) Send(f *outbox.Frame) {
	if s.closed == nil {
		s.heard = append(s.heard, f.Payload())
	}
}

// SendLatest takes the place of the last one that nobody has looked at, as in the queue of a connection.
func (s *socket) SendLatest(f *outbox.Frame) {
	s.heard = slices.DeleteFunc(s.heard, func(text []byte) bool {
		return s.latest != nil && &text[0] == &s.latest[0]
	})
	s.Send(f)
	s.latest = f.Payload()
}

func (s *socket) Close(why wire.Close) {
	if s.closed == nil {
		s.closed = &why
	}
}

// outlet is all sockets of a server.
type outlet struct{ sockets []*socket }

func (o *outlet) Publish(t outbox.TopicID, f *outbox.Frame) {
	for _, s := range o.sockets {
		if s.topics[t] {
			s.Send(f)
		}
	}
}
