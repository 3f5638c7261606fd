// Package roster shows the connections to one another: it owns what each shows to others, its entry, and knows which client has been
// sent which version of the list. It must not know what an entry says, which the scripts decide, nor how it gets to the clients.
//
// Everything in it belongs to the loop.
package roster

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/wire"
)

// Socket is what the roster needs of the socket of a client.
type Socket interface {
	// SendLatest sends a frame in place of an earlier one that has not been sent yet.
	SendLatest(f *outbox.Frame)
	Subscribe(t outbox.TopicID)
	Unsubscribe(t outbox.TopicID)
}

// Client is a connection as the roster knows it.
type Client interface {
	UUID() string
	// Socket returns the present socket.
	Socket() Socket
	// RosterEntry returns the JSON of what others see. If it is nil, the roster leaves the connection out.
	RosterEntry() ([]byte, error)
}

// Host is what the roster needs of the hub.
type Host interface {
	// Encode makes a frame of a message.
	Encode(name string, fields wire.Fields) (*outbox.Frame, error)
	// PublishChanges sends a frame to the subscribers of the topic of changes.
	PublishChanges(f *outbox.Frame)
	// RosterFailed logs an error. c is the client whose entry it was about, or nil.
	RosterFailed(c Client, err error)
}

// Roster is the list of connections as clients see it, and which clients have been sent which version of it.
//
// A change marks the entry of its connection as outdated. When the roster is sent, outdated entries are refreshed and the
// roster is encoded again. It is sent at most once an interval. A roster that is too large to go to all clients in one
// interval goes to as many as bytesPerInterval allows: first to those that have none yet, then to the others in turn. Each
// client gets the newest version when its turn comes.
//
// In the mode config.RosterChanges only newcomers are sent the whole list. After that a client is subscribed to the topic of
// changes, where those of an interval go to all at once. In the mode config.RosterOff there are no entries, and nothing is sent.
type Roster struct {
	host  Host
	loop  *loop.Loop
	topic outbox.TopicID // of changes

	mode             string
	interval         time.Duration
	bytesPerInterval int // of all frames together; one frame may always be sent

	entries    []*Entry // of the open connections, in the order of opening
	lastNumber uint64   // of the entry added last

	changed    bool     // since it was encoded
	forced     bool     // it must be encoded even if all outdated entries turn out unchanged
	outdated   []*Entry // those that must be refreshed
	newcomers  []*Entry // those whose clients have not been sent a roster yet
	scheduled  bool     // a turn is due that sends it
	refreshing bool
	last       time.Time // when it was encoded or sent

	frame        *outbox.Frame // the list in frameVersion
	frameVersion uint64
	version      uint64 // counts what clients are to be told; 0 means that nothing has been visible yet
	leftOver     int    // bytes of the last interval, too few for one more list
	lastServed   uint64 // the number of the entry to whose client the list was sent last

	changes changes
}

// Entry is the part of a connection in the roster.
type Entry struct {
	roster   *Roster
	client   Client
	number   uint64 // in the order of opening, from 1
	text     []byte // what others see, as JSON; empty if it is not shown
	outdated bool   // it is in Roster.outdated
	changed  bool   // it is in Roster.changes.entries
	removed  bool
	follows  bool   // the client subscribes to the topic of changes
	version  uint64 // of the roster that the client was sent last; 0 means none
}

// New returns a roster without entries. topic is the topic of changes.
func New(host Host, l *loop.Loop, topic outbox.TopicID, o config.Roster) *Roster {
	r := &Roster{host: host, loop: l, topic: topic}
	r.Configure(o)
	return r
}

// Configure takes over settings. If the mode changes, every client begins anew: it is sent the whole list.
func (r *Roster) Configure(o config.Roster) {
	r.interval = o.Interval.Std()
	r.bytesPerInterval = int(float64(o.BytesPerSecond) * r.interval.Seconds())
	if o.Mode == r.mode {
		return
	}
	r.mode, r.outdated, r.newcomers, r.changes = o.Mode, nil, nil, changes{}
	for _, e := range r.entries {
		e.client.Socket().Unsubscribe(r.topic)
		e.text, e.outdated, e.changed, e.follows, e.version = nil, false, false, false, 0
	}
	if r.mode == config.RosterOff || len(r.entries) == 0 {
		return
	}
	r.forced, r.newcomers = r.version > 0, slices.Clone(r.entries)
	for _, e := range r.entries {
		e.Invalidate()
	}
	r.schedule()
}

// Interval returns the time between two rosters.
func (r *Roster) Interval() time.Duration { return r.interval }

// Add adds the entry of a new connection, whose client is sent the whole roster with the next one.
func (r *Roster) Add(e *Entry, c Client) {
	r.lastNumber++
	*e = Entry{roster: r, client: c, number: r.lastNumber}
	r.entries = append(r.entries, e)
	r.addNewcomer(e)
}

// Remove removes the entry of a connection that has closed.
func (e *Entry) Remove() {
	r := e.roster
	i := r.indexOf(e.number)
	r.entries = slices.Delete(r.entries, i, i+1)
	e.removed = true
	if len(e.text) > 0 {
		e.text = nil
		r.noteGone(e)
		r.forced = true
		r.schedule()
	}
}

// Change invalidates the entry and schedules the roster.
func (e *Entry) Change() {
	e.Invalidate()
	e.roster.schedule()
}

// Invalidate marks the entry as outdated. It is refreshed when the roster is sent for another reason: notifications and
// subscriptions have messages of their own.
func (e *Entry) Invalidate() {
	if r := e.roster; !e.outdated && r.mode != config.RosterOff {
		e.outdated = true
		r.outdated = append(r.outdated, e)
	}
}

// SendAgain has the client sent the whole roster with the next one, as if it were new.
func (e *Entry) SendAgain() {
	e.roster.addNewcomer(e)
	e.roster.schedule()
}

// TakesChanges reports whether the client is sent the changes of the roster.
func (e *Entry) TakesChanges() bool { return e.follows }

func (r *Roster) addNewcomer(e *Entry) {
	if r.mode != config.RosterOff {
		e.version = 0
		r.newcomers = append(r.newcomers, e)
	}
}

// indexOf returns the index of the entry of a number, or that at which it would be inserted.
func (r *Roster) indexOf(number uint64) int {
	i, _ := slices.BinarySearchFunc(r.entries, number, func(e *Entry, number uint64) int {
		return cmp.Compare(e.number, number)
	})
	return i
}

// schedule notes that the roster has changed. A turn of its own sends it if the present turn waits before Flush.
func (r *Roster) schedule() {
	if !r.changed && r.mode != config.RosterOff {
		r.changed = true
		r.loop.Next("roster", r.Flush)
	}
}

// Flush sends what changed, now or when the interval has passed.
func (r *Roster) Flush() {
	if !r.changed || r.scheduled || r.refreshing {
		return
	}
	if wait := r.interval - r.loop.Now().Sub(r.last); wait > 0 {
		r.sendAfter(wait)
		return
	}
	r.send()
}

func (r *Roster) sendAfter(wait time.Duration) {
	r.scheduled = true
	r.loop.After(wait, "roster", func() {
		r.scheduled = false
		r.send()
	})
}

func (r *Roster) send() {
	if r.mode == config.RosterOff { // since the turn was scheduled
		r.changed = false
		return
	}
	if r.changed {
		r.changed = false
		if r.refreshEntries() {
			if r.version == 0 {
				r.newcomers = slices.Clone(r.entries)
			}
			r.version++
		}
	}
	behind := r.distribute()
	r.last = r.loop.Now()
	if behind || r.changed {
		r.sendAfter(r.interval)
	}
}

// distribute sends what clients have not been told, and reports whether some have to wait for the next interval.
func (r *Roster) distribute() (behind bool) {
	if r.version == 0 { // nothing has been visible, so there is nothing to tell
		r.newcomers = nil
		return false
	}
	if r.mode == config.RosterChanges {
		behind = r.sendChanges()
		if len(r.newcomers) == 0 {
			return behind
		}
	}
	if r.frameVersion != r.version {
		f, err := r.host.Encode("UpdateConnections", entryTexts(r.entries))
		if err != nil {
			r.host.RosterFailed(nil, err)
			return behind
		}
		r.frame, r.frameVersion = f, r.version
	}
	return r.distributeList() || behind
}

// Refresh refreshes the outdated entries and, if any of them or anything else has changed, schedules the roster.
func (r *Roster) Refresh() {
	if r.refreshing {
		r.schedule()
	} else if r.refreshEntries() {
		r.forced = true
		r.schedule()
	}
}

// refreshEntries has the scripts make the outdated entries again, and reports whether any of them changed, or the roster was
// forced. An entry that fails stays as it is; the first failure is logged.
func (r *Roster) refreshEntries() bool {
	r.refreshing = true
	defer func() { r.refreshing = false }()
	differs, outdated, failed := r.forced, r.outdated, false
	r.forced, r.outdated = false, nil
	for _, e := range outdated {
		e.outdated = false
		if e.removed {
			continue
		}
		text, err := e.client.RosterEntry()
		if err != nil {
			if !failed {
				r.host.RosterFailed(e.client, err)
			}
			failed = true
			continue
		}
		if !e.removed && !bytes.Equal(text, e.text) {
			e.text = text
			differs = true
			r.noteChanged(e)
		}
	}
	return differs
}

// frameBudget returns how many rosters may be sent in this interval: one at least. The bytes that are left over, less than a roster
// takes, may be sent in the next interval: otherwise clients would wait longer the larger the roster is.
func (r *Roster) frameBudget() int {
	size := len(r.frame.Payload())
	bytes := r.bytesPerInterval + r.leftOver
	r.leftOver = bytes % size
	return max(1, bytes/size)
}

// distributeList sends the newest version to the clients that do not have it, as many as bytesPerInterval allows, and reports
// whether some are left.
func (r *Roster) distributeList() (behind bool) {
	budget := r.frameBudget()
	send := func(e *Entry) {
		if e.removed || e.version == r.version {
			return
		}
		socket := e.client.Socket()
		socket.SendLatest(r.frame)
		if r.mode == config.RosterChanges {
			socket.Subscribe(r.topic)
			e.follows = true
		}
		e.version = r.version
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
	start := r.indexOf(r.lastServed + 1)
	for i := range r.entries {
		e := r.entries[(start+i)%len(r.entries)]
		if e.version == r.version {
			continue
		}
		if budget == 0 {
			return true
		}
		send(e)
		r.lastServed = e.number
	}
	return false
}

// entryTexts encodes as the entries that are shown, keyed by UUID.
type entryTexts []*Entry

// AppendMembers implements wire.Fields.
func (list entryTexts) AppendMembers(dst []byte) ([]byte, error) {
	dst = append(dst, `"connections":{`...)
	first := true
	for _, e := range list {
		if len(e.text) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, '"'), e.client.UUID()...)
		dst = append(append(dst, `":`...), e.text...)
	}
	return append(dst, '}'), nil
}
