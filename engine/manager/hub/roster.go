package hub

import (
	"perigee/engine/broker/outbox"
	"perigee/engine/manager/hub/roster"
)

// Roster returns what the connections see of one another.
func (h *Hub) Roster() *roster.Roster { return h.roster }

var (
	_ roster.Client = (*Connection)(nil)
	_ roster.Host   = rosterHost{}
)

// Socket implements roster.Client.
func (c *Connection) Socket() roster.Socket {
	if c.hub.taps.Active() != nil {
		return tracedSocket{c.conn, c}
	}
	return c.conn
}

// RosterEntry implements roster.Client.
func (c *Connection) RosterEntry() ([]byte, error) { return c.hub.options.Scripts().RosterEntry(c) }

// rosterHost is the hub as its roster sees it.
type rosterHost struct{ *Hub }

// PublishChanges implements roster.Host.
func (h rosterHost) PublishChanges(f *outbox.Frame) {
	h.traceEverybody(f, func(c *Connection) bool { return c.entry.TakesChanges() })
	h.publisher.Publish(rosterChanges, f)
}

// RosterFailed implements roster.Host.
func (h rosterHost) RosterFailed(c roster.Client, err error) {
	own, _ := c.(*Connection)
	h.options.Scripts().Report("roster", own, err)
}
