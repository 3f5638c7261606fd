package hub

import (
	"time"

	"perigee/engine/config"
	"perigee/engine/wire"
)

// changes are what those that have a roster have not been told, in the mode config.RosterChanges.
type changes struct {
	entries []*Connection // whose entries have changed
	gone    []string      // UUIDs of connections that had an entry and have closed
	due     time.Time     // when they may be sent
}

// noteChanged notes that the entry of a connection has changed.
func (r *roster) noteChanged(c *Connection) {
	if r.mode == config.RosterChanges && !c.entryChanged {
		c.entryChanged = true
		r.changes.entries = append(r.changes.entries, c)
	}
}

// noteGone notes that a connection with an entry has closed.
func (r *roster) noteGone(c *Connection) {
	if r.mode == config.RosterChanges {
		r.changes.gone = append(r.changes.gone, c.uuid)
	}
}

// sendChanges sends what has changed to all clients that have a roster, and reports whether that has to wait: the next changes
// may be sent when the rate of the settings allows for what these cost. More of them then cancel each other out.
func (h *Hub) sendChanges() (behind bool) {
	r := &h.roster
	var changed []*Connection
	gone := r.changes.gone
	if len(r.changes.entries) == 0 && len(gone) == 0 {
		return false
	}
	now := h.loop.Now()
	if now.Before(r.changes.due) {
		return true
	}
	for _, c := range r.changes.entries {
		c.entryChanged = false
		switch {
		case !c.open: // it is among those that are gone, if others have seen it
		case len(c.entry) == 0:
			gone = append(gone, c.uuid)
		default:
			changed = append(changed, c)
		}
	}
	r.changes.entries, r.changes.gone = nil, nil
	sent := 0
	if len(changed) > 0 {
		sent += h.publishChanges("ConnectionChanged", rosterFields(changed))
	}
	if len(gone) > 0 {
		sent += h.publishChanges("ConnectionGone", wire.Members{{Name: "connections", Value: texts(gone)}})
	}
	cost := float64(sent) * float64(len(h.connections)) / max(1, float64(r.bytesPerInterval)) // intervals
	r.changes.due = now.Add(time.Duration(cost * float64(r.interval)))
	return false
}

// publishChanges sends a message to all clients that have a roster, and returns its size.
func (h *Hub) publishChanges(name string, fields wire.Fields) int {
	f, err := h.Encode(name, fields)
	if err != nil {
		h.options.Scripts().Report("roster", nil, err)
		return 0
	}
	h.publisher.Publish(rosterChanges, f)
	return len(f.Payload())
}
