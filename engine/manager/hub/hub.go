// Package hub owns the connections and the topics with their subscriptions, and decides what clients are told of them. The packages
// below it own parts that stand alone: a connection's profile and tokens, the roster, histories, presences, and the saved form. It
// must not know what a message does, nor that scripts are ever replaced: it reaches those that run through Options. It must not
// know sockets either: a client's socket is a broker.Conn, and all of them together are a Publisher.
//
// Everything in it belongs to the loop.
package hub

import (
	"log/slog"
	"net/netip"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/manager/hub/history"
	"perigee/engine/manager/hub/roster"
	"perigee/engine/manager/hub/token"
	"perigee/engine/manager/hub/updates"
	"perigee/engine/quota"
	"perigee/engine/script/bind"
	"perigee/engine/trace"
	"perigee/engine/wire"
)

// Publisher sends a frame to all subscribers of a topic; *broker.Broker is one. It does not block.
type Publisher interface {
	Publish(t outbox.TopicID, f *outbox.Frame)
}

// allConnections is the topic that every connection is subscribed to when it is added to the hub. Before that, the broker knows
// the connection already, but the client has not received ConnectionEstablished.
const allConnections outbox.TopicID = 0

// rosterChanges is the topic of the connections that have been sent a roster, and are now sent its changes.
const rosterChanges outbox.TopicID = 1

var (
	_ bind.Client = (*Connection)(nil)
	_ bind.Topic  = (*Topic)(nil)
)

// Scripts makes the entries of the roster.
type Scripts interface {
	// RosterEntry returns the JSON of what others see of a connection. If it is nil, the roster leaves the connection out.
	RosterEntry(c bind.Client) ([]byte, error)
	// Report logs an error of the scripts in a turn of that name. c is the connection it was about, or nil.
	Report(turn string, c *Connection, err error)
}

// Options configure a hub.
type Options struct {
	// Limits has the limits of connections. The hub enforces MaxBadMessages and Subscriptions, and the loop WaitingPerConnection.
	Limits config.Limits
	Roster config.Roster
	// Resume has how long and how many connections may be away.
	Resume config.Resume
	// AwayChanged is called with the number of connections that are away whenever it changes. Optional.
	AwayChanged func(n int)
	// Redact returns a message without its secrets. Optional: if it is nil, those of the zero [wire.Redactor] are hidden.
	Redact func(text []byte) []byte
	// Scripts returns the scripts that run.
	Scripts func() Scripts
	// Closed is called in a turn of its own after Connection.Close, and when the window of a connection that is away ends.
	Closed func(c *Connection, reason string)
	// CheckPassword reports whether a password is the key. If it is not, logFields go into the log.
	CheckPassword func(peer auth.Peer, password string, logFields ...any) bool
}

// Hub holds all connections and topics.
type Hub struct {
	loop      *loop.Loop
	log       *slog.Logger
	refusals  *logging.Refusals
	publisher Publisher
	options   Options

	ownerLimits quota.Limits                   // of all connections
	leftovers   map[netip.Addr]*quota.Leftover // by network: what closed connections still hold

	byConn      map[broker.Conn]*Connection
	byUUID      map[string]*Connection
	byUser      map[string][]*Connection // the open ones that have a user, in the order of opening
	connections []*Connection            // the open ones, in the order of opening
	clients     []bind.Client            // the same as scripts get them; nil if it must be made again
	lastNumber  uint64                   // of the connection added last
	firstID     uint64                   // added to the IDs of sockets: the previous server had connections up to this one
	topics      topics
	roster      *roster.Roster
	away        away
	updates     *updates.Queue
	taps        trace.Taps // used by any goroutine
	buffer      []byte     // where frames are encoded; nil while it is in use
}

// New returns a hub without connections. SetPublisher must be called before the first one is added.
func New(o Options, l *loop.Loop, log *slog.Logger) *Hub {
	if o.Redact == nil {
		o.Redact = wire.Redactor{}.JSON
	}
	h := &Hub{
		loop: l,
		log:  log,

		refusals: logging.NewRefusals(log),
		options:  o,
		byConn:   map[broker.Conn]*Connection{},
		byUUID:   map[string]*Connection{},
		byUser:   map[string][]*Connection{},
		topics:   topics{byName: map[string]*Topic{}, byUUID: map[string]*Topic{}, lastID: rosterChanges},
		away:     away{tokens: token.New[*Connection]()},

		ownerLimits: quota.Limits{MaxWaiting: o.Limits.WaitingPerConnection},
		leftovers:   map[netip.Addr]*quota.Leftover{},
	}
	h.topics.histories = history.New(o.Limits.HistoryMemory, h.refusals)
	h.roster = roster.New(rosterHost{h}, l, rosterChanges, o.Roster)
	h.updates = updates.New(l, h.flushUpdates)
	h.topics.update.Send = h.sendTopics
	return h
}

// SetPublisher sets the publisher. It is called once, before the loop runs.
func (h *Hub) SetPublisher(p Publisher) { h.publisher = p }

// Configure changes the limits and the settings of the roster and of connections that are away.
func (h *Hub) Configure(limits config.Limits, r config.Roster, resume config.Resume) {
	h.options.Limits, h.options.Resume = limits, resume
	h.ownerLimits.MaxWaiting = limits.WaitingPerConnection
	h.topics.histories.SetLimit(limits.HistoryMemory)
	h.roster.Configure(r)
}

// ByConn returns the open connection that has this socket, or nil.
func (h *Hub) ByConn(conn broker.Conn) *Connection { return h.byConn[conn] }

// ByUUID returns the open connection that has this UUID, or nil.
func (h *Hub) ByUUID(uuid string) *Connection { return h.byUUID[uuid] }

// All returns the open connections in the order of opening. The slice is the hub's, and valid for this turn only.
func (h *Hub) All() []*Connection { return h.connections }

// AllFrom returns those of All that have this number or a later one.
func (h *Hub) AllFrom(number uint64) []*Connection {
	return h.connections[indexOf(h.connections, number):]
}

// Clients returns All as scripts get it. The slice must not be changed; it is the same one until a connection opens or closes.
func (h *Hub) Clients() []bind.Client {
	if h.clients == nil {
		h.clients = clients(h.connections)
	}
	return h.clients
}

// Encode makes a frame of a message, once for any number of receivers. Updates that are due are sent before.
func (h *Hub) Encode(name string, fields wire.Fields) (*outbox.Frame, error) {
	h.updates.SendFirst()
	buffer := h.buffer
	h.buffer = nil
	text, err := wire.Append(buffer[:0], name, fields, h.loop.Now())
	h.buffer = text
	if err != nil {
		return nil, err
	}
	return outbox.NewFrame(text), nil
}

// Broadcast sends a frame of Encode to every connection.
func (h *Hub) Broadcast(f *outbox.Frame) {
	h.traceEverybody(f, (*Connection).Open)
	h.publisher.Publish(allConnections, f)
}

// flushUpdates sends all updates at the end of a turn.
func (h *Hub) flushUpdates() {
	h.updates.Flush()
	for _, t := range h.topics.withNewSubscribers {
		t.newSubscribers = nil
	}
	h.topics.withNewSubscribers = nil
}

// Flush ends a turn: it sends what the turn changed of topics, subscriptions and the roster.
func (h *Hub) Flush() {
	h.flushUpdates()
	h.roster.Flush()
}
