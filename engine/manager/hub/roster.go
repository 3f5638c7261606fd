package hub

import (
	"bytes"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
)

// roster is the list of connections as clients see it, and which clients have been sent which version of it.
//
// A change marks the entry of its connection as outdated. When the roster is sent, outdated entries are refreshed and the
// roster is encoded again. It is sent at most once an interval. A roster that is too large to go to all clients in one
// interval goes to as many as bytesPerInterval allows: first to those that have none yet, then to the others in turn. Each
// client gets the newest version when its turn comes.
type roster struct {
	interval         time.Duration
	bytesPerInterval int // of all frames together; one frame may always be sent

	changed    bool          // since it was encoded
	forced     bool          // it must be encoded even if all outdated entries turn out unchanged
	outdated   []*Connection // connections whose entries must be refreshed
	newcomers  []*Connection // connections that have not been sent a roster yet
	scheduled  bool          // a turn is due that sends it
	refreshing bool
	last       time.Time // when it was encoded or sent

	frame      *outbox.Frame // the newest version
	version    uint64        // of the frame; 0 means none
	lastServed uint64        // the number of the connection that it was sent to last
}

func (r *roster) configure(o config.Roster) {
	r.interval = o.Interval.Std()
	r.bytesPerInterval = int(float64(o.BytesPerSecond) * r.interval.Seconds())
}

// changed invalidates the roster entry of a connection and schedules the roster.
func (c *Connection) changed() {
	if c.open {
		c.InvalidateEntry()
		c.hub.scheduleRoster()
	}
}

// InvalidateEntry marks the roster entry of a connection as outdated. It is refreshed when the roster is sent for another
// reason: notifications and subscriptions have messages of their own.
func (c *Connection) InvalidateEntry() {
	if r := &c.hub.roster; !c.entryOutdated {
		c.entryOutdated = true
		r.outdated = append(r.outdated, c)
	}
}

// scheduleRoster notes that the roster has changed. A turn of its own sends it if the present turn waits before Flush.
func (h *Hub) scheduleRoster() {
	if !h.roster.changed {
		h.roster.changed = true
		h.loop.Next("roster", h.FlushRoster)
	}
}

// FlushRoster sends what changed, now or when the interval has passed.
func (h *Hub) FlushRoster() {
	r := &h.roster
	if !r.changed || r.scheduled || r.refreshing {
		return
	}
	if wait := r.interval - h.loop.Now().Sub(r.last); wait > 0 {
		h.sendRosterAfter(wait)
		return
	}
	h.sendRoster()
}

func (h *Hub) sendRosterAfter(wait time.Duration) {
	h.roster.scheduled = true
	h.loop.After(wait, "roster", func() {
		h.roster.scheduled = false
		h.sendRoster()
	})
}

func (h *Hub) sendRoster() {
	r := &h.roster
	if r.changed {
		r.changed = false
		if differs := h.refreshEntries(); differs || r.version == 0 {
			f, err := h.Encode("UpdateConnections", rosterFields(h.connections))
			if err != nil {
				h.options.Scripts().Report("roster", nil, err)
				return
			}
			r.frame = f
			r.version++
		}
	}
	behind := h.distributeRoster()
	r.last = h.loop.Now()
	if behind || r.changed {
		h.sendRosterAfter(r.interval)
	}
}

// RefreshRoster refreshes the outdated entries and, if any of them or anything else has changed, schedules the roster.
func (h *Hub) RefreshRoster() {
	if h.roster.refreshing {
		h.scheduleRoster()
	} else if h.refreshEntries() {
		h.roster.forced = true
		h.scheduleRoster()
	}
}

// refreshEntries has the scripts make the outdated entries again, and reports whether any of them changed, or the roster was
// forced. An entry that fails stays as it is; the first failure is logged.
func (h *Hub) refreshEntries() bool {
	r := &h.roster
	r.refreshing = true
	defer func() { r.refreshing = false }()
	scripts, differs, outdated, failed := h.options.Scripts(), r.forced, r.outdated, false
	r.forced, r.outdated = false, nil
	for _, c := range outdated {
		c.entryOutdated = false
		if !c.open {
			continue
		}
		entry, err := scripts.RosterEntry(c)
		if err != nil {
			if !failed {
				scripts.Report("roster", c, err)
			}
			failed = true
			continue
		}
		if c.open && !bytes.Equal(entry, c.entry) {
			c.entry = entry
			differs = true
		}
	}
	return differs
}

// distributeRoster sends the newest version to those that do not have it, as many as bytesPerInterval allows, and reports
// whether some are left.
func (h *Hub) distributeRoster() (behind bool) {
	r := &h.roster
	budget := max(1, r.bytesPerInterval/len(r.frame.Payload())) // frames
	send := func(c *Connection) {
		if !c.open || c.rosterVersion == r.version {
			return
		}
		c.conn.SendLatest(r.frame)
		c.rosterVersion = r.version
		budget--
	}
	for len(r.newcomers) > 0 && budget > 0 {
		send(r.newcomers[0])
		r.newcomers = r.newcomers[1:]
	}
	if len(r.newcomers) == 0 {
		r.newcomers = nil
	}
	start := indexOf(h.connections, r.lastServed+1)
	for i := range h.connections {
		c := h.connections[(start+i)%len(h.connections)]
		if c.rosterVersion == r.version {
			continue
		}
		if budget == 0 {
			return true
		}
		send(c)
		r.lastServed = c.number
	}
	return false
}
