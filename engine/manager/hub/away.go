package hub

import (
	"container/list"
	"time"
	"unique"

	"perigee/engine/broker"
	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub/token"
	"perigee/engine/wire"
)

// Messages about resumption, which only clients get that ask for it.
const (
	connectionResumable = "ConnectionResumable" // the first frame of a new connection
	connectionResumed   = "ConnectionResumed"   // the first frame on a new socket of an old connection; it does not count
)

// away are the connections that can be resumed, and those of them whose client is away.
type away struct {
	tokens   token.Tokens[*Connection]
	order    list.List // of *Connection: those that are away, the longest first
	stopping stopping
}

// stopping says what happens to connections that are lost while the server stops.
type stopping int

const (
	running  stopping = iota // the server does not stop
	keeping                  // they are away without end, for the next server
	dropping                 // they are closed
)

// resumption is what a client needs to come back to its connection.
type resumption struct {
	tokens  token.Pair
	origin  unique.Handle[string] // of the page, or ""; a token is good for this one only
	handled uint64                // messages of the client, on all of its sockets
	before  uint64                // those of earlier sockets
}

// absence is the time for which a connection is away.
type absence struct {
	reason  string // with which the socket was closed
	element *list.Element
	cancel  func() // keeps the window from ending
}

// windows returns how long lost clients, and those that left their page, have to come back.
func (h *Hub) windows() (lost, left time.Duration) {
	return h.options.Resume.Lost.Std(), h.options.Resume.Left.Std()
}

// MakeResumable lets the client of a new connection come back to it, and sends it the first token.
func (c *Connection) MakeResumable(origin string) {
	if lost, left := c.hub.windows(); lost == 0 && left == 0 {
		return
	}
	c.resumption = &resumption{origin: unique.Make(origin)}
	first := c.hub.away.tokens.Renew(&c.resumption.tokens, c)
	c.SendOrLog(connectionResumable, wire.Members{{Name: "token", Value: first}, {Name: "window", Value: c.hub.windowSeconds()}})
}

// windowSeconds is the time for which clients try to come back, in seconds.
func (h *Hub) windowSeconds() float64 {
	lost, left := h.windows()
	return max(lost, left).Seconds()
}

// ByToken returns the open connection that a token belongs to, or nil. Pages of another origin do not get it.
func (h *Hub) ByToken(text, origin string) *Connection {
	c := h.away.tokens.Find(text)
	if c == nil || c.resumption.origin.Value() != origin {
		return nil
	}
	return c
}

// Heard notes that a message has come from the client, the number-th on its present socket.
func (c *Connection) Heard(number uint64) {
	if r := c.resumption; r != nil {
		r.handled = r.before + number
		c.hub.away.tokens.EndPrevious(&r.tokens)
	}
}

// Drop notes that the socket of a connection is lost. It reports whether the connection is away; if not, it is over. left says
// that a browser has left the page or loads it anew.
func (c *Connection) Drop(left bool, reason string) bool {
	h := c.hub
	window, ifLeft := h.windows()
	if left {
		window = ifLeft
	}
	if c.resumption == nil || window == 0 || h.away.stopping == dropping {
		return false
	}
	c.connected = false
	c.beginAbsence(window, reason)
	if most := h.options.Resume.Away; h.away.stopping == running && h.away.order.Len() > most {
		h.refusals.Log("resume.away", most)
		if longest, ok := h.away.order.Front().Value.(*Connection); ok {
			longest.closeAbsent()
		}
	}
	return true
}

// beginAbsence makes a connection one that is away until its window ends.
func (c *Connection) beginAbsence(window time.Duration, reason string) {
	h := c.hub
	c.absence = &absence{reason: reason, element: h.away.order.PushBack(c), cancel: func() {}}
	if h.away.stopping == running {
		h.loop.As(nil, func() { c.absence.cancel = h.loop.After(window, "close", c.closeAbsent) })
	}
	h.awayChanged()
}

// closeAbsent closes a connection whose client has not come back.
func (c *Connection) closeAbsent() {
	reason := c.absence.reason
	c.Remove()
	c.hub.loop.Next("close", func() { c.hub.options.Closed(c, reason) })
}

// endAbsence ends the time for which a connection is away.
func (c *Connection) endAbsence() {
	if a := c.absence; a != nil {
		a.cancel()
		c.hub.away.order.Remove(a.element)
		c.absence = nil
		c.hub.awayChanged()
	}
}

// endResumption makes a connection that is over one to which nobody can come back.
func (c *Connection) endResumption() {
	if c.absence != nil {
		c.conn.Forget()
		c.endAbsence()
	}
	if c.resumption != nil {
		c.hub.away.tokens.End(&c.resumption.tokens)
	}
}

func (h *Hub) awayChanged() {
	if h.options.AwayChanged != nil {
		h.options.AwayChanged(h.away.order.Len())
	}
}

// BeginResume gives a connection a new socket, on which the client goes on where its last one stopped. received is how many frames
// the client has received, or negative if it remembers none. done is called by another goroutine, and must not block; complete
// means that the client misses nothing. EndResume must be called then.
func (c *Connection) BeginResume(conn broker.Conn, received int64, done func(complete bool)) {
	h, r := c.hub, c.resumption
	old := c.conn
	if old.Peer().Addr != conn.Peer().Addr {
		c.changed(true)
	}
	delete(h.byConn, old)
	h.byConn[conn] = c
	c.conn, c.connected = conn, false
	c.endAbsence()
	r.before = r.handled
	renewed := h.away.tokens.Use(&r.tokens, conn.ResumeRequest().Token, c)
	window, taken := h.windowSeconds(), r.handled
	conn.Resume(old, received, func(complete bool, sent uint64) *outbox.Frame {
		from := sent
		if complete {
			from = uint64(received)
		}
		fields := wire.Members{
			{Name: "token", Value: renewed},
			{Name: "window", Value: window},
			{Name: "complete", Value: complete},
			{Name: "from", Value: from},
			{Name: "taken", Value: taken},
		}
		text, _ := wire.Append(nil, connectionResumed, fields, h.loop.Now()) // they always have a JSON form
		return outbox.NewFrame(text)
	}, done)
}

// EndResume is called after BeginResume, before the resume hook runs. It reports whether the connection still has that socket. A client
// that misses something gets the roster again.
func (c *Connection) EndResume(conn broker.Conn, complete bool) bool {
	if !c.open || c.conn != conn {
		return false
	}
	c.connected = true
	if !complete {
		c.entry.SendAgain()
	}
	return true
}

// RevokeAway takes the admin right of those that are away, whose password is no longer good.
func (h *Hub) RevokeAway() {
	for e := h.away.order.Front(); e != nil; e = e.Next() {
		if c, ok := e.Value.(*Connection); ok {
			c.SetAdmin(false)
		}
	}
}

// BeginStop is called before the server closes its sockets. If keep is set, connections that can be resumed are away from then on
// until the server has ended; otherwise they are closed.
func (h *Hub) BeginStop(keep bool) {
	h.away.stopping = dropping
	if keep {
		h.away.stopping = keeping
	}
	for e := h.away.order.Front(); e != nil; {
		c, ok := e.Value.(*Connection)
		e = e.Next()
		switch {
		case !ok:
		case keep:
			c.absence.cancel()
		default:
			c.closeAbsent()
		}
	}
}
