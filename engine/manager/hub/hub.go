// Package hub is who is connected: the connections and what is known of them, their topics, subscriptions and
// notifications, and the roster that shows them to one another. It does not know what a message does, nor that scripts are
// ever replaced: what they say to a connection comes from Options. It knows no sockets: a client's is a Socket, all of them
// are an Outlet.
//
// Everything here belongs to the loop.
package hub

import (
	"log/slog"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// Outlet reaches many sockets at once; *broker.Broker is one. It does not block.
type Outlet interface {
	Publish(t outbox.TopicID, f *outbox.Frame)
}

// everybody is the topic of all connections that have been taken in. The broker knows a connection before that, but then
// it has not been told yet that it is established.
const everybody outbox.TopicID = 0

var (
	_ bind.Client = (*Connection)(nil)
	_ bind.Topic  = (*Topic)(nil)
)

// Scripts are what makes the rows of the roster.
type Scripts interface {
	// Roster returns the JSON of what others see of a connection; nil leaves it out.
	Roster(c bind.Client) ([]byte, error)
	// Report logs an error of theirs in a turn of that name; c is whom it was about, nil is nobody.
	Report(turn string, c *Connection, err error)
}

// Options are what a crowd lives by.
type Options struct {
	// Limits: those of connections, of which the crowd holds MaxBadMessages and Subscriptions.
	Limits config.Limits
	Roster config.Roster
	// Scripts returns those that run.
	Scripts func() Scripts
	// Closed is told, in a turn of its own, of a connection that was closed with End.
	Closed func(c *Connection, reason string)
	// Opens tells whether a password is the key. who goes into the log where it is not.
	Opens func(peer auth.Peer, password string, who ...any) bool
}

// Crowd is all connections and topics.
type Crowd struct {
	loop    *loop.Loop
	log     *slog.Logger
	outlet  Outlet
	options Options

	sockets map[broker.Conn]*Connection
	uuids   map[string]*Connection
	order   []*Connection // all that are open, as they were opened
	opened  uint64        // how many connections there have been
	topics  topics
	roster  roster
	notices notices
	buffer  []byte // where frames are encoded; nil while it is in use
}

// New returns a crowd of nobody. Connect comes before the first connection.
func New(o Options, l *loop.Loop, log *slog.Logger) *Crowd {
	cr := &Crowd{
		loop:    l,
		log:     log,
		options: o,
		sockets: map[broker.Conn]*Connection{},
		uuids:   map[string]*Connection{},
		topics:  newTopics(),
		roster:  newRoster(o.Roster),
		notices: notices{turn: 1},
	}
	cr.topics.news = notice{send: cr.tellTopics}
	return cr
}

// Connect says how many clients are reached at once. It is called once, before the loop runs.
func (cr *Crowd) Connect(out Outlet) { cr.outlet = out }

// Configure takes over other limits and another pace of the roster.
func (cr *Crowd) Configure(limits config.Limits, r config.Roster) {
	cr.options.Limits = limits
	cr.roster.configure(r)
}

// Of returns the connection of a socket; nil once it has left.
func (cr *Crowd) Of(s broker.Conn) *Connection { return cr.sockets[s] }

// Find returns the open connection of that UUID, or nil.
func (cr *Crowd) Find(uuid string) *Connection { return cr.uuids[uuid] }

// All returns the open connections in the order of opening. The slice is the crowd's, and good for this turn.
func (cr *Crowd) All() []*Connection { return cr.order }

// From returns those of All whose number is that or a later one.
func (cr *Crowd) From(number uint64) []*Connection { return cr.order[place(cr.order, number):] }

// Clients returns All as scripts get it; the slice is the caller's.
func (cr *Crowd) Clients() []bind.Client { return clients(cr.order) }

// Encode makes a frame of a message, once for however many it goes to. Notices that are due go before it.
func (cr *Crowd) Encode(name string, fields wire.Fields) (*outbox.Frame, error) {
	f, _, err := cr.encode(name, fields)
	return f, err
}

func (cr *Crowd) encode(name string, fields wire.Fields) (f *outbox.Frame, size int, err error) {
	cr.tellFirst()
	buffer := cr.buffer
	cr.buffer = nil
	text, err := wire.Append(buffer[:0], name, fields, cr.loop.Now())
	cr.buffer = text
	if err != nil {
		return nil, 0, err
	}
	return outbox.NewFrame(text), len(text), nil
}

// Publish sends a frame to every connection.
func (cr *Crowd) Publish(f *outbox.Frame) { cr.outlet.Publish(everybody, f) }

// broadcast sends a message to every connection.
func (cr *Crowd) broadcast(name string, fields wire.Fields) error {
	if len(cr.order) == 0 {
		return nil
	}
	f, err := cr.Encode(name, fields)
	if err != nil {
		return err
	}
	cr.Publish(f)
	return nil
}

// Settle ends a turn: what it changed of topics, subscriptions and the roster goes out.
func (cr *Crowd) Settle() {
	cr.tellAll()
	cr.AskRoster()
}
