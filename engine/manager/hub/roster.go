package hub

import (
	"bytes"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
)

// roster is the list of connections as clients see it, and who has got which state of it.
//
// A change marks the row of its connection; rows are made anew, and the roster encoded, when it goes out. That is at most
// once an interval. Where it is too large to go to everybody in one interval, it goes to as many as there is room for:
// first to those who have none yet, then to the others in turn; while changes go on, each gets the newest there is when
// its turn comes.
type roster struct {
	interval time.Duration
	share    int // bytes that may go out in an interval; one frame always may

	pending   bool          // something changed since it went out
	gone      bool          // it is not as it was sent: somebody who stood in it has left, or a row is another one
	stale     []*Connection // whose rows are out of date
	newcomers []*Connection // who have not got any yet
	waiting   bool          // a turn is due that sends it
	renewing  bool
	last      time.Time // when it was made or sent

	frame   *outbox.Frame // the newest state
	size    int           // of the frame, in bytes
	version uint64        // of the frame; 0 is none
	served  uint64        // the number of the connection that was served last
}

func newRoster(o config.Roster) roster {
	var r roster
	r.configure(o)
	return r
}

func (r *roster) configure(o config.Roster) {
	r.interval = o.Interval.Std()
	r.share = int(float64(o.BytesPerSecond) * r.interval.Seconds())
}

// changed marks what others see of a connection as out of date, and has the roster go out.
func (c *Connection) changed() {
	if c.open {
		c.Outdate()
		c.crowd.expectRoster()
	}
}

// Outdate marks what others see of a connection as out of date, to be made anew when the roster goes out for another
// reason: notifications and subscriptions have messages of their own.
func (c *Connection) Outdate() {
	if r := &c.crowd.roster; !c.stale {
		c.stale = true
		r.stale = append(r.stale, c)
	}
}

// forgetRow takes a connection that has left out of the roster.
func (cr *Crowd) forgetRow(c *Connection) {
	if len(c.row) > 0 {
		c.row = nil
		cr.roster.gone = true
		cr.expectRoster()
	}
}

// expectRoster sees to it that a change goes out, also one that a waiting turn leaves behind.
func (cr *Crowd) expectRoster() {
	if !cr.roster.pending {
		cr.roster.pending = true
		cr.loop.Next("roster", cr.AskRoster)
	}
}

// AskRoster sends what changed, now or when the interval has passed.
func (cr *Crowd) AskRoster() {
	r := &cr.roster
	if !r.pending || r.waiting || r.renewing {
		return
	}
	if wait := r.interval - cr.loop.Now().Sub(r.last); wait > 0 {
		cr.awaitRoster(wait)
		return
	}
	cr.sendRoster()
}

func (cr *Crowd) awaitRoster(wait time.Duration) {
	cr.roster.waiting = true
	cr.loop.After(wait, "roster", func() {
		cr.roster.waiting = false
		cr.sendRoster()
	})
}

func (cr *Crowd) sendRoster() {
	r := &cr.roster
	if r.pending {
		r.pending = false
		if differs := cr.renewRows(); differs || r.version == 0 {
			f, size, err := cr.encode("UpdateConnections", rosterFields(cr.order))
			if err != nil {
				cr.options.Scripts().Report("roster", nil, err)
				return
			}
			r.frame, r.size = f, size
			r.version++
		}
	}
	behind := cr.serveRoster()
	r.last = cr.loop.Now()
	if behind || r.pending {
		cr.awaitRoster(r.interval)
	}
}

// Renewed has the roster go out where the rows that are out of date turn out differently, and with everything else that
// changed.
func (cr *Crowd) Renewed() {
	if cr.roster.renewing {
		cr.expectRoster()
	} else if cr.renewRows() {
		cr.roster.gone = true
		cr.expectRoster()
	}
}

// renewRows asks the scripts for the rows that are out of date, and tells whether any turned out differently. A row that
// fails stays as it was; the first failure is logged.
func (cr *Crowd) renewRows() bool {
	r := &cr.roster
	r.renewing = true
	defer func() { r.renewing = false }()
	scripts, differs, stale, failed := cr.options.Scripts(), r.gone, r.stale, false
	r.gone, r.stale = false, nil
	for _, c := range stale {
		c.stale = false
		if !c.open {
			continue
		}
		row, err := scripts.Roster(c)
		if err != nil {
			if !failed {
				scripts.Report("roster", c, err)
			}
			failed = true
			continue
		}
		if c.open && !bytes.Equal(row, c.row) {
			c.row = row
			differs = true
		}
	}
	return differs
}

// serveRoster sends the newest state to those who have another one, as many as there is room for, and tells whether some
// are left.
func (cr *Crowd) serveRoster() (behind bool) {
	r := &cr.roster
	room := max(1, r.share/r.size)
	give := func(c *Connection) {
		if !c.open || c.roster == r.version {
			return
		}
		c.socket.SendLatest(r.frame)
		c.roster = r.version
		room--
	}
	for len(r.newcomers) > 0 && room > 0 {
		give(r.newcomers[0])
		r.newcomers = r.newcomers[1:]
	}
	if len(r.newcomers) == 0 {
		r.newcomers = nil
	}
	start := place(cr.order, r.served+1)
	for i := range cr.order {
		c := cr.order[(start+i)%len(cr.order)]
		if c.roster == r.version {
			continue
		}
		if room == 0 {
			return true
		}
		give(c)
		r.served = c.number
	}
	return false
}
