package manager

import (
	"bytes"
	"time"

	"perigee/engine/broker"
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
	stale     []*connection // whose rows are out of date
	newcomers []*connection // who have not got any yet
	waiting   bool          // a turn is due that sends it
	renewing  bool
	last      time.Time // when it was made or sent

	frame   *broker.Frame // the newest state
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
func (c *connection) changed() {
	if c.open {
		c.outdate()
		c.manager.expectRoster()
	}
}

// outdate marks what others see of a connection as out of date, to be made anew when the roster goes out for another
// reason: notifications and subscriptions have messages of their own.
func (c *connection) outdate() {
	if r := &c.manager.roster; !c.stale {
		c.stale = true
		r.stale = append(r.stale, c)
	}
}

// forgetRow takes a connection that has left out of the roster.
func (m *Manager) forgetRow(c *connection) {
	if len(c.row) > 0 {
		c.row = nil
		m.roster.gone = true
		m.expectRoster()
	}
}

// expectRoster sees to it that a change goes out, also one that a waiting turn leaves behind.
func (m *Manager) expectRoster() {
	if !m.roster.pending {
		m.roster.pending = true
		m.loop.Next("roster", m.askRoster)
	}
}

// askRoster sends what changed, now or when the interval has passed.
func (m *Manager) askRoster() {
	r := &m.roster
	if !r.pending || r.waiting || r.renewing {
		return
	}
	if wait := r.interval - m.loop.Now().Sub(r.last); wait > 0 {
		m.awaitRoster(wait)
		return
	}
	m.sendRoster()
}

func (m *Manager) awaitRoster(wait time.Duration) {
	m.roster.waiting = true
	m.loop.After(wait, "roster", func() {
		m.roster.waiting = false
		m.sendRoster()
	})
}

func (m *Manager) sendRoster() {
	r := &m.roster
	if r.pending {
		r.pending = false
		if differs := m.renewRows(); differs || r.version == 0 {
			f, size, err := m.encode("UpdateConnections", rosterFields(m.order))
			if err != nil {
				m.report(m.generation.Load().number, "roster", nil, err)
				return
			}
			r.frame, r.size = f, size
			r.version++
		}
	}
	behind := m.serveRoster()
	r.last = m.loop.Now()
	if behind || r.pending {
		m.awaitRoster(r.interval)
	}
}

// renewRows asks the scripts for the rows that are out of date, and tells whether any turned out differently. A row that
// fails stays as it was; the first failure is logged.
func (m *Manager) renewRows() bool {
	r := &m.roster
	r.renewing = true
	defer func() { r.renewing = false }()
	g, differs, stale, failed := m.generation.Load(), r.gone, r.stale, false
	r.gone, r.stale = false, nil
	for _, c := range stale {
		c.stale = false
		if !c.open {
			continue
		}
		row, err := g.application.Roster(c)
		if err != nil {
			if !failed {
				m.report(g.number, "roster", c, err)
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
func (m *Manager) serveRoster() (behind bool) {
	r := &m.roster
	room := max(1, r.share/r.size)
	give := func(c *connection) {
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
	start := place(m.order, r.served+1)
	for i := range m.order {
		c := m.order[(start+i)%len(m.order)]
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
