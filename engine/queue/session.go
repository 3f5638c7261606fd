package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// session is the worker's state of one connection. It is owned by Run.
type session struct {
	w      *Worker
	source Source

	held           map[*activeJob]bool // jobs reserved by this connection
	outstanding    int                 // reserves without an answer
	waiting        bool                // one of them waits for a job; commands after it wait, too
	waitBegan      time.Time
	answeredEarly  bool  // that wait was answered early, without a job
	empty          bool  // the last answer was ErrEmpty
	pollScheduled  bool  // poll will be called
	batch          int   // reserves to send at once; doubled while there are jobs
	gotAnswer      bool  // a reserve was answered
	connectionLost error // why the connection cannot be used any more
}

// reserveMore reserves as many jobs as there is room for. It returns after how long to call poll, or 0 if another event will
// follow.
func (s *session) reserveMore() time.Duration {
	room := s.room()
	switch {
	case s.w.stopping || s.connectionLost != nil || s.waiting || room <= 0:
		return 0
	case !s.empty && s.outstanding > s.batch/2:
		return 0
	case !s.empty:
		for range min(room, s.batch-s.outstanding) {
			s.reserve(0)
		}
		return 0
	case s.outstanding > 0:
		return 0
	case len(s.held) == 0 && !s.answeredEarly:
		s.waiting, s.waitBegan = true, time.Now()
		s.reserve(reserveTimeout)
		return 0
	case s.pollScheduled:
		return 0
	default: // a reserve that waits would delay the commands for the held jobs, or be answered early again
		s.pollScheduled = true
		return pollInterval
	}
}

// poll lets reserveMore try a queue again that was empty.
func (s *session) poll() {
	s.pollScheduled, s.answeredEarly = false, false
	if !s.waiting {
		s.empty = false
	}
}

// room returns how many more jobs may be reserved.
func (s *session) room() int {
	if s.w.probation > 0 {
		return s.probationRoom()
	}
	active := max(len(s.held), len(s.w.known)-len(s.w.unconfirmed)) // jobs of an earlier connection may still run
	return min(s.w.options.Window-active, s.w.pending.room(), maxOutstanding) - s.outstanding
}

func (s *session) reserve(wait time.Duration) {
	s.outstanding++
	s.source.Reserve(wait, func(j Job, err error) {
		s.w.post(func() { s.onReserve(j, err) })
	})
}

func (s *session) onReserve(j Job, err error) {
	s.outstanding--
	waited := s.waiting
	s.waiting = false
	if s.connectionLost != nil {
		return
	}
	if err != nil && !errors.Is(err, ErrEmpty) {
		s.lose(err)
		return
	}
	if !s.gotAnswer {
		s.gotAnswer = true
		s.w.setConnection(nil)
		s.checkBuried()
	}
	if err != nil {
		s.empty, s.batch = true, 1
		// beanstalkd answers DEADLINE_SOON while this connection holds a job near the end of its time to run, possibly one
		// that the worker has dropped.
		s.answeredEarly = waited && time.Since(s.waitBegan) < reserveTimeout/2
		return
	}
	s.empty, s.batch = false, min(2*s.batch, maxOutstanding)
	s.accept(j)
}

// accept adds a reserved job.
func (s *session) accept(job Job) {
	now := time.Now()
	j := &activeJob{Job: job, touched: now, timeout: s.w.options.HandlerTimeout, onProbation: s.w.probation > 0}
	j.Fingerprint.ID, j.Fingerprint.First = job.ID, now
	if j.Fingerprint.Hash == 0 {
		hash := sha256.Sum256(job.Body)
		j.Fingerprint.Hash = binary.BigEndian.Uint64(hash[:])
	}
	s.held[j] = true
	if s.w.stopping {
		s.giveBack(j)
		return
	}
	s.w.pending.add(j)
	if j.Stats == nil && s.w.known[j.ID] == nil && !j.onProbation && j.ID > s.w.highestID {
		s.w.highestID = j.ID
		s.admit(j, 1)
		return
	}
	s.w.highestID = max(s.w.highestID, j.ID)
	s.w.probation = max(0, s.w.probation-1)
	s.askStats(j, func(stats Stats, err error) { s.examine(j, stats, err) })
}

// askStats calls then with the stats of a reserved job, at once if they came with it.
func (s *session) askStats(j *activeJob, then func(stats Stats, err error)) {
	if j.Stats != nil {
		then(*j.Stats, nil)
		return
	}
	s.source.(StatsSource).Stats(j.ID, func(stats Stats, err error) {
		s.w.post(func() { then(stats, err) })
	})
}

// examine decides whether a job that may have run before is to begin.
func (s *session) examine(j *activeJob, stats Stats, err error) {
	if s.connectionLost != nil || !s.held[j] || s.w.stopping {
		return
	}
	if err != nil { // whether it has run is unknown; the service will deliver it again
		s.w.pending.remove(j)
		delete(s.held, j)
		s.handleError("reading its stats", j.ID, err)
		return
	}
	if old := s.w.known[j.ID]; old != nil {
		if old.Fingerprint.Hash == j.Fingerprint.Hash && stats.mayHaveRun(j.Fingerprint.First.Sub(old.Fingerprint.First)) {
			s.resume(old, j)
			return
		}
		s.w.confirm(old) // the service has given its ID to another job
		s.w.forget(old)
	}
	if j.onProbation && stats.crashes() >= maxCrashes*(1+stats.Kicks) {
		s.w.pending.remove(j)
		s.bury(j, stats, errCrashes)
		return
	}
	j.suspect = j.onProbation && stats.crashes() >= suspectCrashes*(1+stats.Kicks)
	s.admit(j, stats.attempt())
}

var errCrashes = errors.New("queue: the job was begun too often without ever ending; it may be what crashes the server")

// admit lets a job begin.
func (s *session) admit(j *activeJob, attempt int) {
	j.setContext()
	s.w.known[j.ID] = j
	s.w.pending.admit(j, attempt)
}

// resume continues with a job that was delivered again while it runs, or after it ran.
func (s *session) resume(old, again *activeJob) {
	s.w.pending.remove(again)
	delete(s.held, again)
	s.held[old] = true
	old.finishing, old.touching, old.Stats = false, false, again.Stats
	s.w.pending.touch(old, time.Now())
	s.w.confirm(old)
	if old.done {
		s.w.monitor.update(func(s *Status) { s.Redelivered++ })
		s.finish(old)
	}
}

// touch touches the held jobs that need it.
func (s *session) touch(now time.Time) {
	for j := range s.held {
		if s.needsTouch(j, now) {
			j.touching = true
			s.source.Touch(j.ID, func(err error) {
				s.w.post(func() { s.onTouch(j, now, err) })
			})
		}
	}
}

// needsTouch reports whether a job must be touched. A job that has exceeded its timeout need not.
func (s *session) needsTouch(j *activeJob, now time.Time) bool {
	if j.finishing || j.touching {
		return false
	}
	s.w.pending.mu.Lock()
	defer s.w.pending.mu.Unlock()
	expired := !j.begun.IsZero() && !j.returned && now.Sub(j.begun) > j.timeout
	return now.Sub(j.touched) > s.w.partOfTTR(touchAfter) && !expired
}

// onTouch handles the answer to a touch that was sent at a time.
func (s *session) onTouch(j *activeJob, at time.Time, err error) {
	j.touching = false
	switch {
	case s.connectionLost != nil || !s.held[j]:
	case err == nil:
		s.w.pending.touch(j, at)
	case errors.Is(err, ErrNotFound): // its time to run is over; any worker may get it next
		s.drop(j)
		s.w.log.Warn("queue: a job's time to run ended while it was held; another worker may run it", "queue", s.w.options.Name, "job", j.ID)
	default:
		s.handleError("touching it", j.ID, err)
	}
}

// drop records that a job is not reserved by this connection any more.
func (s *session) drop(j *activeJob) {
	delete(s.held, j)
	switch {
	case s.w.pending.remove(j): // it has not begun, and will not
		s.w.forget(j)
	case j.done && j.err == nil:
		s.w.remember(j)
	case j.done:
		s.w.forget(j)
	}
}

// handleError handles an error of a command about a job: it logs a refusal, and any other error ends the connection.
func (s *session) handleError(doing string, id uint64, err error) {
	if !isAnswer(err) {
		s.lose(err)
		return
	}
	if line := s.w.throttle.Allow("refused\x00"+doing, time.Now()); line.Allowed {
		s.w.log.Warn("queue: the service refused a command about a job", "queue", s.w.options.Name, "job", id,
			"doing", doing, "error", err, "suppressed", line.Suppressed)
	}
}

// isAnswer reports whether an error is an answer of the service, so that the connection is good.
func isAnswer(err error) bool {
	return errors.Is(err, ErrEmpty) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused)
}

// lose records that the connection cannot be used any more. The worker then closes the session.
func (s *session) lose(err error) {
	if s.connectionLost == nil {
		s.connectionLost = err
		s.w.monitor.update(func(s *Status) { s.ConnectionsLost++ })
		s.w.setConnection(err)
	}
}

// isIdle reports whether no job is held or about to be, so that a stopping worker may close the session. A reserve that waits for
// a job does not count.
func (s *session) isIdle() bool {
	return len(s.held) == 0 && (s.outstanding == 0 || s.waiting)
}

// close closes the connection and drops the held jobs.
func (s *session) close() {
	if s.connectionLost == nil {
		s.connectionLost = ErrStopping
	}
	for j := range s.held {
		s.drop(j)
	}
	s.source.Close()
}
