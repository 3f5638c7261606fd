package hub

import (
	"slices"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub/roster"
	"perigee/engine/trace"
	"perigee/engine/wire"
)

// Taps returns those who trace messages. It is safe for concurrent use.
func (h *Hub) Taps() *trace.Taps { return &h.taps }

// TraceIn traces a message of the client. It returns when that was, for TraceOutcome: the zero time if nobody traces.
func (c *Connection) TraceIn(name string, text []byte) (came time.Time) {
	taps := c.hub.taps.Active()
	if taps == nil {
		return came
	}
	came = c.hub.loop.Now()
	c.trace(taps, trace.Event{Time: came, Kind: trace.In, Name: name}, text)
	return came
}

// TraceOutcome traces how the handling of a message ended that TraceIn has traced.
func (c *Connection) TraceOutcome(came time.Time, name string, o trace.Outcome) {
	if came.IsZero() || o.Kind == "" {
		return
	}
	now := c.hub.loop.Now()
	c.trace(c.hub.taps.Active(), trace.Event{
		Time: now, Kind: o.Kind, Name: name, Took: now.Sub(came).Seconds(), Exception: o.Exception, Reason: o.Reason, Ref: o.Ref,
	}, nil)
}

// trace traces an event of the client.
func (c *Connection) trace(taps []*trace.Tap, e trace.Event, message []byte) {
	e.Connection, e.User = c.uuid, c.User()
	for _, tap := range taps {
		if tap.Filter().MatchesClient(e.Connection, e.User) {
			tap.Put(e, message)
		}
	}
}

// send sends a frame to an open connection. t is the topic whose message it is, or nil.
func (c *Connection) send(f *outbox.Frame, t *Topic) {
	c.traceOut(f, t)
	c.conn.Send(f)
}

// traceOut traces a frame for the client.
func (c *Connection) traceOut(f *outbox.Frame, t *Topic) {
	taps := c.hub.taps.Active()
	if taps == nil {
		return
	}
	c.trace(taps, c.hub.outEvent(f, t), f.Payload())
}

// outEvent returns the event of a frame that is sent. t is the topic whose message it is, or nil.
func (h *Hub) outEvent(f *outbox.Frame, t *Topic) trace.Event {
	e := trace.Event{Time: h.loop.Now(), Kind: trace.Out, Name: wire.NameOf(f.Payload())}
	if t != nil {
		e.Topic = t.name
	}
	return e
}

// publish sends a frame to the subscribers of a topic.
func (t *Topic) publish(f *outbox.Frame) {
	if taps := t.hub.taps.Active(); taps != nil {
		t.hub.tracePublish(taps, t.hub.outEvent(f, t), f, func(c *Connection) bool {
			_, subscribed := c.subscription(t)
			return subscribed
		})
	}
	t.hub.publisher.Publish(t.id, f)
}

// traceEverybody traces a frame for those connections that it reaches.
func (h *Hub) traceEverybody(f *outbox.Frame, reaches func(c *Connection) bool) {
	if taps := h.taps.Active(); taps != nil {
		e := h.outEvent(f, nil)
		e.Everybody = true
		h.tracePublish(taps, e, f, reaches)
	}
}

// tracePublish traces a frame for several connections once for each tap, if it reaches one that the tap selects.
func (h *Hub) tracePublish(taps []*trace.Tap, e trace.Event, f *outbox.Frame, reaches func(c *Connection) bool) {
	for _, tap := range taps {
		if filter := tap.Filter(); !filter.HasClient() || slices.ContainsFunc(h.selected(filter), reaches) {
			tap.Put(e, f.Payload())
		}
	}
}

// selected returns the open connections that a filter selects by their client.
func (h *Hub) selected(f trace.Filter) []*Connection {
	if f.Connection == "" {
		return h.byUser[f.User]
	}
	if c := h.byUUID[f.Connection]; c != nil && f.MatchesClient(c.uuid, c.User()) {
		return []*Connection{c}
	}
	return nil
}

// tracedSocket is the socket of a connection whose rosters are traced.
type tracedSocket struct {
	roster.Socket
	connection *Connection
}

// SendLatest implements roster.Socket.
func (s tracedSocket) SendLatest(f *outbox.Frame) {
	s.connection.traceOut(f, nil)
	s.Socket.SendLatest(f)
}
