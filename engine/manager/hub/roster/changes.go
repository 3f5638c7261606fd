package roster

import (
	"time"

	"perigee/engine/config"
	"perigee/engine/wire"
)

// changes are the changes that clients with a roster have not been told yet, in the mode config.RosterChanges.
type changes struct {
	entries []*Entry  // those that have changed
	gone    []string  // UUIDs of connections that were shown and have closed
	due     time.Time // when the rate of the settings allows for everything sent so far; at most now if it does
}

// noteChanged notes that an entry has changed.
func (r *Roster) noteChanged(e *Entry) {
	if r.mode == config.RosterChanges && !e.changed {
		e.changed = true
		r.changes.entries = append(r.changes.entries, e)
	}
}

// noteGone notes that a connection that was shown has closed.
func (r *Roster) noteGone(e *Entry) {
	if r.mode == config.RosterChanges {
		r.changes.gone = append(r.changes.gone, e.client.UUID())
	}
}

// changesShare is how many times bytesPerInterval the changes may take: lists are for newcomers, but changes are for everybody.
const changesShare = 2

// sendChanges sends what has changed to all clients that have a roster, and reports whether the changes have to wait instead. They
// wait while due is more than one interval ahead. Without that allowance, changes that take slightly more than the rate of the
// settings would be delayed in every second interval. Changes that wait are combined.
func (r *Roster) sendChanges() (behind bool) {
	var changed entryTexts
	gone := r.changes.gone
	if len(r.changes.entries) == 0 && len(gone) == 0 {
		return false
	}
	now := r.loop.Now()
	if now.Add(r.interval).Before(r.changes.due) {
		return true
	}
	for _, e := range r.changes.entries {
		e.changed = false
		switch {
		case e.removed: // it is among those that are gone, if others have seen it
		case len(e.text) == 0:
			gone = append(gone, e.client.UUID())
		default:
			changed = append(changed, e)
		}
	}
	r.changes.entries, r.changes.gone = nil, nil
	sent := 0
	if len(changed) > 0 {
		sent += r.publish("ConnectionChanged", changed)
	}
	if len(gone) > 0 {
		sent += r.publish("ConnectionGone", wire.Members{{Name: "connections", Value: wire.Texts(gone)}})
	}
	cost := float64(sent) * float64(len(r.entries)) / max(1, changesShare*float64(r.bytesPerInterval)) // intervals
	if r.changes.due.Before(now) {
		r.changes.due = now
	}
	r.changes.due = r.changes.due.Add(time.Duration(cost * float64(r.interval)))
	return false
}

// publish sends a message to all clients that have a roster, and returns its size.
func (r *Roster) publish(name string, fields wire.Fields) int {
	f, err := r.host.Encode(name, fields)
	if err != nil {
		r.host.RosterFailed(nil, err)
		return 0
	}
	r.host.PublishChanges(f)
	return len(f.Payload())
}
