package hub

import (
	"bytes"
	"slices"
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
//
// In the mode config.RosterChanges only newcomers are sent the whole list. After that a client is subscribed to rosterChanges,
// where the changes of an interval go to all at once. In the mode config.RosterOff there are no entries, and nothing is sent.
type roster struct {
	mode             string
	interval         time.Duration
	bytesPerInterval int // of all frames together; one frame may always be sent

	changed    bool          // since it was encoded
	forced     bool          // it must be encoded even if all outdated entries turn out unchanged
	outdated   []*Connection // connections whose entries must be refreshed
	newcomers  []*Connection // connections that have not been sent a roster yet
	scheduled  bool          // a turn is due that sends it
	refreshing bool
	last       time.Time // when it was encoded or sent

	frame        *outbox.Frame // the list in frameVersion
	frameVersion uint64
	version      uint64 // counts what clients are to be told; 0 means that nothing has been visible yet
	lastServed   uint64 // the number of the connection that the list was sent to last

	changes changes
}

func (r *roster) configure(o config.Roster) {
	r.interval = o.Interval.Std()
	r.bytesPerInterval = int(float64(o.BytesPerSecond) * r.interval.Seconds())
}

// configureRoster takes over settings. If the mode changes, every client begins anew: it is sent the whole list.
func (h *Hub) configureRoster(o config.Roster) {
	r := &h.roster
	r.configure(o)
	if o.Mode == r.mode {
		return
	}
	r.mode, r.outdated, r.newcomers, r.changes = o.Mode, nil, nil, changes{}
	for _, c := range h.connections {
		c.conn.Unsubscribe(rosterChanges)
		c.entry, c.entryOutdated, c.entryChanged, c.rosterVersion = nil, false, false, 0
	}
	if r.mode == config.RosterOff || len(h.connections) == 0 {
		return
	}
	r.forced, r.newcomers = r.version > 0, slices.Clone(h.connections)
	for _, c := range h.connections {
		c.InvalidateEntry()
	}
	h.scheduleRoster()
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
	if r := &c.hub.roster; !c.entryOutdated && r.mode != config.RosterOff {
		c.entryOutdated = true
		r.outdated = append(r.outdated, c)
	}
}

// scheduleRoster notes that the roster has changed. A turn of its own sends it if the present turn waits before Flush.
func (h *Hub) scheduleRoster() {
	if !h.roster.changed && h.roster.mode != config.RosterOff {
		h.roster.changed = true
		h.loop.Next("roster", h.FlushRoster)
	}
}

// addNewcomer has a connection sent the whole roster with the next one.
func (h *Hub) addNewcomer(c *Connection) {
	if h.roster.mode != config.RosterOff {
		c.rosterVersion = 0
		h.roster.newcomers = append(h.roster.newcomers, c)
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
	if r.mode == config.RosterOff { // since the turn was scheduled
		r.changed = false
		return
	}
	if r.changed {
		r.changed = false
		if h.refreshEntries() {
			if r.version == 0 {
				r.newcomers = slices.Clone(h.connections)
			}
			r.version++
		}
	}
	behind := h.distribute()
	r.last = h.loop.Now()
	if behind || r.changed {
		h.sendRosterAfter(r.interval)
	}
}

// distribute sends what clients have not been told, and reports whether some have to wait for the next interval.
func (h *Hub) distribute() (behind bool) {
	r := &h.roster
	if r.version == 0 { // nothing has been visible, so there is nothing to tell
		r.newcomers = nil
		return false
	}
	if r.mode == config.RosterChanges {
		behind = h.sendChanges()
		if len(r.newcomers) == 0 {
			return behind
		}
	}
	if r.frameVersion != r.version {
		f, err := h.Encode("UpdateConnections", rosterFields(h.connections))
		if err != nil {
			h.options.Scripts().Report("roster", nil, err)
			return behind
		}
		r.frame, r.frameVersion = f, r.version
	}
	return h.distributeRoster() || behind
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
			r.noteChanged(c)
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
		if r.mode == config.RosterChanges {
			c.conn.Subscribe(rosterChanges)
		}
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
	if r.mode == config.RosterChanges {
		return len(r.newcomers) > 0
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
