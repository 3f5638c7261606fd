package manager

import (
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/wire"
)

// Socket is one client's connection; *broker.Conn is one. None of its methods blocks.
type Socket interface {
	// ID is a number that no other socket has had since the server started.
	ID() uint64
	Peer() auth.Peer
	OpenedAt() time.Time
	Send(f *broker.Frame)
	// SendLatest sends a frame that replaces an earlier one of its kind that has not left yet.
	SendLatest(f *broker.Frame)
	// Close closes it after what was sent before.
	Close(why wire.Close)
	Subscribe(t broker.TopicID)
	Unsubscribe(t broker.TopicID)
}

// Outlet reaches many sockets at once; *broker.Broker is one. It does not block.
type Outlet interface {
	Publish(t broker.TopicID, f *broker.Frame)
}

// everybody is the topic of all connections that have been taken in. The broker knows a connection before that, but then
// it has not been told yet that it is established.
const everybody broker.TopicID = 0

var (
	_ Socket = (*broker.Conn)(nil)
	_ Outlet = (*broker.Broker)(nil)
)

// Open is Attach for the broker.
func (m *Manager) Open(c *broker.Conn) { m.Attach(c) }

// Message is Receive for the broker.
func (m *Manager) Message(c *broker.Conn, text []byte) { m.Receive(c, text) }

// Closed is Detach for the broker.
func (m *Manager) Closed(c *broker.Conn, why wire.Close) { m.Detach(c, why) }

// Attach takes in a connection. For one socket Attach comes first, then Receive any number of times, then Detach once.
// All three block while the loop has more to do than it can queue.
func (m *Manager) Attach(s Socket) {
	uuid := wire.NewID()
	m.post("open", func() { m.attach(s, uuid) })
}

// Receive takes a frame from a client. The text belongs to the manager from then on.
func (m *Manager) Receive(s Socket, text []byte) {
	a := arrival{socket: s}
	a.message, a.err = wire.Parse(text)
	turn := "message"
	if a.err == nil {
		g := m.generation.Load()
		if known := g.registry.Message(a.message.Name); known != nil {
			turn = known.Turn
			a.value, a.err = g.application.Decode(text)
			a.check(known)
		}
	}
	m.post(turn, func() { m.receive(a) })
}

// Detach is told that a socket is closed.
func (m *Manager) Detach(s Socket, why wire.Close) {
	m.post("close", func() { m.detach(s, why) })
}

// post hands the loop a turn. One that a stopped loop refuses has nobody left to care.
func (m *Manager) post(turn string, run func()) { _ = m.loop.Post(turn, run) }
