package queue

import (
	"errors"
	"time"
)

// hand is what the worker holds of one connection. It is owned by Run.
type hand struct {
	w      *Worker
	source Source

	holds       map[*task]bool // jobs that this connection has reserved
	outstanding int            // jobs that are asked for
	waits       bool           // one of them is waited for; commands behind it wait too
	asked       time.Time      // when that began
	hasty       bool           // it was answered at once, without a job
	empty       bool           // the last answer was that there is no job
	looking     bool           // again will be called
	reach       int            // how many to ask for at once: doubled while there are jobs
	heard       bool           // the service has answered once
	lost        error          // why the connection cannot be used any more
}

// ask asks for as many jobs as there is room for. It returns after how long to ask again, or 0 where something else that
// happens will do.
func (h *hand) ask() time.Duration {
	room := h.room()
	switch {
	case h.w.stopping || h.lost != nil || h.waits || room <= 0:
		return 0
	case !h.empty && h.outstanding > h.reach/2:
		return 0
	case !h.empty:
		for range min(room, h.reach-h.outstanding) {
			h.reserve(0)
		}
		return 0
	case h.outstanding > 0:
		return 0
	case len(h.holds) == 0 && !h.hasty:
		h.waits, h.asked = true, time.Now()
		h.reserve(blocking)
		return 0
	case h.looking:
		return 0
	default: // to wait would hold up what settles and touches the jobs in hand, or be of no use
		h.looking = true
		return poll
	}
}

// again looks at a queue that was empty.
func (h *hand) again() {
	h.looking, h.hasty = false, false
	if !h.waits {
		h.empty = false
	}
}

// room is how many jobs more may be reserved.
func (h *hand) room() int {
	if h.w.guard > 0 {
		return h.guardedRoom()
	}
	active := max(len(h.holds), len(h.w.known)-len(h.w.unsure)) // some may run that an earlier connection had
	return min(h.w.options.Window-active, h.w.line.room(), maxOutstanding) - h.outstanding
}

// guardedRoom is 1 where a job that ends the process would be known: nothing else is about to begin.
func (h *hand) guardedRoom() int {
	if h.outstanding > 0 || len(h.holds) >= h.w.options.Window {
		return 0
	}
	h.w.line.mu.Lock()
	defer h.w.line.mu.Unlock()
	for t := range h.holds {
		if t.begun.IsZero() || time.Since(t.begun) < harmless {
			return 0
		}
	}
	return 1
}

func (h *hand) reserve(wait time.Duration) {
	h.outstanding++
	h.source.Reserve(wait, func(r Reserved, err error) {
		h.w.post(func() { h.reserved(r, err) })
	})
}

// reserved takes the answer to a reserve.
func (h *hand) reserved(r Reserved, err error) {
	h.outstanding--
	waited := h.waits
	h.waits = false
	if h.lost != nil {
		return
	}
	if err != nil && !errors.Is(err, ErrEmpty) {
		h.lose(err)
		return
	}
	if !h.heard {
		h.heard = true
		h.w.reached()
		h.countBuried()
	}
	if err != nil {
		h.empty, h.reach = true, 1
		// beanstalkd does not let anybody wait who has a job that is about to be given to others: one, maybe, that we let go.
		h.hasty = waited && time.Since(h.asked) < blocking/2
		return
	}
	h.empty, h.reach = false, min(2*h.reach, maxOutstanding)
	h.arrive(r)
}

// arrive takes a job in.
func (h *hand) arrive(r Reserved) {
	now := time.Now()
	t := &task{
		id: r.ID, text: r.Body, hash: hash(r.Body),
		first: now, touched: now, timeout: h.w.options.HandlerTimeout,
	}
	h.holds[t] = true
	if h.w.stopping {
		h.giveBack(t)
		return
	}
	h.w.line.add(t)
	old := h.w.known[r.ID]
	guarding := h.w.guard > 0
	if old == nil && !guarding && r.ID > h.w.highest {
		h.w.highest = r.ID
		h.admit(t, 1)
		return
	}
	h.w.highest = max(h.w.highest, r.ID)
	h.w.guard = max(0, h.w.guard-1)
	h.source.Stats(t.id, func(s Stats, err error) {
		h.w.post(func() { h.examine(t, guarding, s, err) })
	})
}

// examine decides whether a job that may not be new is to be begun.
func (h *hand) examine(t *task, guarding bool, s Stats, err error) {
	if h.lost != nil || !h.holds[t] || h.w.stopping {
		return
	}
	if err != nil { // whether it has run is unknown; it comes again
		h.w.line.drop(t)
		delete(h.holds, t)
		h.fault("looking at it", t.id, err)
		return
	}
	if old := h.w.known[t.id]; old != nil {
		if old.hash == t.hash && s.Age+time.Second >= t.first.Sub(old.first) {
			h.resume(old, t)
			return
		}
		h.w.unremember(old) // the service has given its number to another job
		h.w.forget(old)
	}
	if guarding && s.crashes() >= maxCrashes*(1+s.Kicks) {
		h.w.line.drop(t)
		h.bury(t, s, errCrashes)
		return
	}
	h.admit(t, s.attempt())
}

var errCrashes = errors.New("queue: it was begun too often without ever coming to an end; it may be what ends the server")

// admit lets a job begin.
func (h *hand) admit(t *task, attempt int) {
	t.prepare()
	h.w.known[t.id] = t
	h.w.line.clear(t, attempt)
}

// resume goes on with a job that came again while it runs or after it ran.
func (h *hand) resume(old, again *task) {
	h.w.line.drop(again)
	delete(h.holds, again)
	h.holds[old] = true
	old.settling, old.touching = false, false
	h.w.line.touch(old, time.Now())
	h.w.unremember(old)
	if old.over {
		h.w.record.note(func(s *Status) { s.Repeated++ })
		h.settle(old)
	}
}

// touch tells the service that jobs are still being worked on.
func (h *hand) touch(now time.Time) {
	for t := range h.holds {
		if h.quiet(t, now) {
			t.touching = true
			h.source.Touch(t.id, func(err error) {
				h.w.post(func() { h.touched(t, now, err) })
			})
		}
	}
}

// quiet tells whether a job is to be touched. One whose time is over is not.
func (h *hand) quiet(t *task, now time.Time) bool {
	if t.settling || t.touching {
		return false
	}
	h.w.line.mu.Lock()
	defer h.w.line.mu.Unlock()
	expired := !t.begun.IsZero() && !t.returned && now.Sub(t.begun) > t.timeout
	return now.Sub(t.touched) > touchAfter && !expired
}

// touched takes the answer to a touch that was sent at a time.
func (h *hand) touched(t *task, at time.Time, err error) {
	t.touching = false
	switch {
	case h.lost != nil || !h.holds[t]:
	case err == nil:
		h.w.line.touch(t, at)
	case errors.Is(err, ErrNotFound): // its time to run was over; whoever gets it next may be us
		h.letGo(t)
		h.w.log.Warn("queue: a job was given to somebody else while it was in hand", "queue", h.w.options.Name, "job", t.id)
	default:
		h.fault("touching it", t.id, err)
	}
}

// letGo notes that a job is not reserved by us any more.
func (h *hand) letGo(t *task) {
	delete(h.holds, t)
	switch {
	case h.w.line.drop(t): // it was not begun, and will not be
		h.w.forget(t)
	case t.over && t.err == nil:
		h.w.remember(t)
	case t.over:
		h.w.forget(t)
	}
}

// fault takes an error of the service. One that is its answer is logged: nobody else will hear of it.
func (h *hand) fault(doing string, id uint64, err error) {
	if !answered(err) {
		h.lose(err)
		return
	}
	if line := h.w.throttle.Allow("fault\x00"+doing, time.Now()); line.Allowed {
		h.w.log.Warn("queue: the service refuses a command about a job", "queue", h.w.options.Name, "job", id,
			"doing", doing, "error", err, "suppressed", line.Suppressed)
	}
}

// answered tells whether an error is the service's answer, so that the connection is fine.
func answered(err error) bool {
	return errors.Is(err, ErrEmpty) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused)
}

// lose notes that the connection cannot be used any more; turn ends it.
func (h *hand) lose(err error) {
	if h.lost == nil {
		h.lost = err
		h.w.record.note(func(s *Status) { s.Lost++ })
		h.w.missing(err)
	}
}

// idle tells whether nothing is in hand, so that a worker that stops may end the connection. A wait for the next job does
// not count: the end ends it.
func (h *hand) idle() bool {
	return len(h.holds) == 0 && (h.outstanding == 0 || h.waits)
}

// end ends the connection and lets go of what it held.
func (h *hand) end() {
	if h.lost == nil {
		h.lost = ErrStopping
	}
	for t := range h.holds {
		h.letGo(t)
	}
	h.source.Close()
}
