package queue

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"perigee/engine/logging"
)

// Worker reserves jobs from a Driver and hands them to a Handler.
type Worker struct {
	// Set by NewWorker, never changed.
	options Options
	driver  Driver
	handler Handler
	log     *slog.Logger
	ttr     time.Duration // how long a job is reserved at least
	pending *pending
	monitor *monitor
	wake    chan struct{}      // capacity 1; post sends, Run receives
	retire  chan time.Duration // capacity 1; Retire sends, Run receives

	// Guarded by mu.
	mu     sync.Mutex
	events []func() // posted, for Run to call

	// Owned by Run.
	session       *session // of the present connection; nil if there is none
	opening       bool     // a connection is being opened
	stopping      bool
	known         map[uint64]*activeJob // jobs that run, or ran and are not confirmed, also those of earlier connections
	unconfirmed   []*activeJob          // those of known that ran and that no connection holds, oldest first
	probation     int                   // how many more jobs are begun one by one
	highestID     uint64                // of a job so far; jobs with higher IDs are new
	buriedCounted time.Time             // when the buried jobs were last counted
	buriedWarned  bool                  // the warning about many buried jobs was logged
	gaveUp        bool                  // jobs that did not end in time are being given back
	connectionLog connectionLog
	throttle      logging.Throttle // log lines about the connection, failed jobs and refused commands
}

// NewWorker returns a worker that does nothing until Run.
func NewWorker(o Options, d Driver, h Handler, log *slog.Logger) *Worker {
	w := &Worker{
		options: o, driver: d, handler: h, log: log,
		ttr:       cmp.Or(o.TTR, shortestTTR),
		monitor:   &monitor{status: Status{Since: time.Now(), Reason: notAsked, Summary: connecting}},
		wake:      make(chan struct{}, 1),
		retire:    make(chan time.Duration, 1),
		known:     map[uint64]*activeJob{},
		probation: probationJobs,
	}
	w.pending = &pending{max: o.Window, limit: min(o.Window, maxOutstanding), staleAfter: w.partOfTTR(staleAfter), wake: make(chan struct{}, 1)}
	for _, f := range o.Applied {
		j := &activeJob{Job: Job{ID: f.ID, Fingerprint: f}, done: true, doneAt: time.Now()}
		j.setContext()
		w.known[j.ID] = j
		w.remember(j)
	}
	return w
}

// partOfTTR returns a part of the time to run.
func (w *Worker) partOfTTR(part float64) time.Duration { return time.Duration(part * float64(w.ttr)) }

// post makes Run call f. It never blocks.
func (w *Worker) post(f func()) {
	w.mu.Lock()
	w.events = append(w.events, f)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// cancelJobs cancels the jobs that still run.
func (w *Worker) cancelJobs() {
	for _, j := range w.known {
		j.cancel(ErrStopping)
	}
}

// Run takes jobs until ctx ends, whether the service can be reached or not. Then jobs that have not begun are given back at
// once, running jobs finish or are given back within Options.Drain, and Run returns when everything that it started has ended.
// If a handler calls done later, that has no effect. Run must be called only once.
func (w *Worker) Run(ctx context.Context) {
	openCtx, cancelOpen := context.WithCancel(ctx)
	dispatchCtx, cancelDispatch := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancelDispatch()
	defer w.cancelJobs()
	defer cancelOpen()
	running.Go(func() { w.dispatch(dispatchCtx) })

	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	retry := time.NewTimer(0) // when to connect, or to poll an empty queue, again
	defer retry.Stop()
	drained := time.NewTimer(0)
	drained.Stop()
	pause, ended := minReconnectDelay, ctx.Done()
	for !w.stopping || w.session != nil || w.opening {
		select {
		case <-w.wake:
		case <-tick.C:
			w.beat()
		case <-retry.C:
			if w.session != nil {
				w.session.poll()
			} else if !w.opening && !w.stopping {
				w.opening = true
				running.Go(func() { w.open(openCtx) })
			}
		case drain := <-w.retire:
			if !w.stopping {
				drained.Reset(drain)
				w.stop()
			}
		case <-ended:
			ended = nil
			if !w.gaveUp {
				drained.Reset(w.options.Drain())
			}
			w.stop()
		case <-drained.C:
			w.giveUp()
			drained.Reset(finalTimeout)
		}
		had := w.session != nil || w.opening
		switch wait := w.turn(); {
		case w.session == nil && !w.opening && had: // opening failed, or the session has ended
			retry.Reset(pause/2 + rand.N(pause/2))
			pause = min(2*pause, maxReconnectDelay)
		case w.session != nil && w.session.gotAnswer:
			pause = minReconnectDelay
			if wait > 0 {
				retry.Reset(wait)
			}
		}
	}
}

// Retire makes Run take no more jobs and return as if its context had ended, but with another time for running jobs. It does
// not wait. It is safe for concurrent use, but must be called only once.
func (w *Worker) Retire(drain time.Duration) { w.retire <- drain }

// turn calls the posted events and reserves more jobs. It returns after how long to poll the queue, or 0.
func (w *Worker) turn() (wait time.Duration) {
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, f := range events {
		f()
	}
	held := 0
	if s := w.session; s != nil {
		wait = s.reserveMore()
		s.source.Flush()
		if s.connectionLost != nil || w.stopping && s.isIdle() {
			s.close()
			w.session, wait = nil, 0
		} else {
			held = len(s.held)
		}
	}
	w.monitor.update(func(s *Status) { s.Held = held })
	return wait
}

// open connects to the service.
func (w *Worker) open(ctx context.Context) {
	source, err := w.driver.Open(ctx, w.options.Name)
	w.post(func() {
		w.opening = false
		switch {
		case err != nil:
			w.setConnection(err)
		case w.stopping:
			source.Close()
		default:
			w.session = &session{w: w, source: source, held: map[*activeJob]bool{}, batch: 1}
		}
	})
}

// stop gives back the jobs that have not begun.
func (w *Worker) stop() {
	w.stopping = true
	if s := w.session; s != nil {
		for _, j := range w.pending.removeAll() {
			s.giveBack(j)
		}
	}
}

// giveUp gives back the jobs that have not ended in time. The second call closes the session without waiting for answers.
func (w *Worker) giveUp() {
	s := w.session
	switch {
	case s == nil:
	case w.gaveUp:
		s.close()
		w.session = nil
	default:
		w.gaveUp = true
		for j := range s.held {
			if !j.done && !j.finishing {
				j.cancel(ErrStopping)
				s.giveBack(j)
			}
		}
	}
}

// beat checks the jobs and touches them.
func (w *Worker) beat() {
	now := time.Now()
	w.connectionLog.update(w, now)
	for _, j := range w.known {
		w.checkTimeout(j, now)
	}
	for len(w.unconfirmed) > 0 && now.Sub(w.unconfirmed[0].doneAt) > unconfirmedTime+w.options.TTR {
		w.forgetOldest()
	}
	if w.session != nil {
		w.session.touch(now)
	}
}

// checkTimeout ends the context of a job that exceeds its timeout. If its handler then does not return, the job fails.
func (w *Worker) checkTimeout(j *activeJob, now time.Time) {
	w.pending.mu.Lock()
	begun, timeout, returned := j.begun, j.timeout, j.returned
	w.pending.mu.Unlock()
	if j.done || begun.IsZero() || returned {
		return
	}
	switch took := now.Sub(begun); {
	case took > timeout+stuckAfter:
		w.jobDone(j, fmt.Errorf("%w, and its handler did not return when interrupted", ErrTimeout))
	case took > timeout:
		j.cancel(ErrTimeout)
	}
}

func (w *Worker) forgetOldest() {
	w.forget(w.unconfirmed[0])
	w.unconfirmed = w.unconfirmed[1:]
}

// forget forgets a job, unless its ID belongs to another job by now.
func (w *Worker) forget(j *activeJob) {
	if w.known[j.ID] != j {
		return
	}
	delete(w.known, j.ID)
	if j.done && j.err == nil && w.options.Forgotten != nil {
		w.options.Forgotten(j.ID)
	}
}

// remember keeps a job that ran and whose deletion is not confirmed.
func (w *Worker) remember(j *activeJob) {
	for len(w.unconfirmed) >= maxUnconfirmed {
		w.forgetOldest()
	}
	w.unconfirmed = append(w.unconfirmed, j)
}
