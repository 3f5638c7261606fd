package queue

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"perigee/engine/logging"
)

// Worker takes jobs from a Driver and hands them to a Handler.
type Worker struct {
	// Set by NewWorker, never changed.
	options Options
	driver  Driver
	handler Handler
	log     *slog.Logger
	line    *line
	record  *record
	wake    chan struct{}      // capacity 1; post sends, Run receives
	retire  chan time.Duration // capacity 1; Retire sends, Run receives

	// Guarded by mu.
	mu     sync.Mutex
	events []func() // what happened, for Run

	// Owned by Run.
	hand     *hand // what there is of the present connection; nil without one
	opening  bool  // a connection is being opened
	stopping bool
	known    map[uint64]*task // jobs that run, or ran and are not confirmed, whatever became of their connection
	unsure   []*task          // those of known that ran and that no connection holds, the oldest first
	guard    int              // jobs that are still to be begun one by one
	highest  uint64           // the highest number of a job so far: higher ones are new
	counted  time.Time        // when the buried jobs were counted
	crowded  bool             // it was said that they are many
	gaveUp   bool             // what did not end in time is being given back
	news     news
	throttle logging.Throttle // log lines about the connection, failed jobs and refused commands
}

// NewWorker returns a worker that does nothing until Run.
func NewWorker(o Options, d Driver, h Handler, log *slog.Logger) *Worker {
	w := &Worker{
		options: o, driver: d, handler: h, log: log,
		line:   &line{most: o.Window, ahead: min(o.Window, maxOutstanding), wake: make(chan struct{}, 1)},
		record: &record{status: Status{Since: time.Now(), Reason: notAsked, Short: connecting}},
		wake:   make(chan struct{}, 1),
		retire: make(chan time.Duration, 1),
		known:  map[uint64]*task{},
		guard:  guarded,
	}
	for _, r := range o.Ran {
		t := &task{id: r.ID, hash: r.Hash, first: r.First, over: true, ended: time.Now()}
		t.prepare()
		w.known[r.ID] = t
		w.remember(t)
	}
	return w
}

// post has Run call f. It never blocks.
func (w *Worker) post(f func()) {
	w.mu.Lock()
	w.events = append(w.events, f)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run takes jobs until ctx ends, whether the service is there or not. Then what has not begun is given back at once, jobs
// in hand finish or are given back within Options.Drain, and Run returns when everything that it started has ended. Where
// a handler is not done by then, what it says later changes nothing. Run may be called once.
func (w *Worker) Run(ctx context.Context) {
	opening, leave := context.WithCancel(ctx)
	beginning, halt := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer halt()
	defer w.interruptAll()
	defer leave()
	running.Go(func() { w.begin(beginning) })

	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	again := time.NewTimer(0) // when to connect, or to look at an empty queue, again
	defer again.Stop()
	drained := time.NewTimer(0)
	drained.Stop()
	pause, ended := firstPause, ctx.Done()
	for !w.finish() {
		select {
		case <-w.wake:
		case <-tick.C:
			w.beat()
		case <-again.C:
			if w.hand != nil {
				w.hand.again()
			} else if !w.opening && !w.stopping {
				w.opening = true
				running.Go(func() { w.open(opening) })
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
			w.abandon()
			drained.Reset(farewell)
		}
		had := w.hand != nil || w.opening
		switch wait := w.turn(); {
		case w.hand == nil && !w.opening && had: // it could not be opened, or has ended
			again.Reset(pause/2 + rand.N(pause/2))
			pause = min(2*pause, lastPause)
		case w.hand != nil && w.hand.heard:
			pause = firstPause
			if wait > 0 {
				again.Reset(wait)
			}
		}
	}
}

// Retire has Run take no more jobs and return as if its context had ended, but with a time of its own for the jobs in hand.
// It is called once, and does not wait. Any goroutine may call it.
func (w *Worker) Retire(drain time.Duration) { w.retire <- drain }

// finish tells whether Run is over.
func (w *Worker) finish() bool {
	return w.stopping && w.hand == nil && !w.opening
}

// turn does what there is to do. It returns after how long to look at the queue again, or 0.
func (w *Worker) turn() (wait time.Duration) {
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, f := range events {
		f()
	}
	held := 0
	if h := w.hand; h != nil {
		wait = h.ask()
		h.source.Flush()
		if h.lost != nil || w.stopping && h.idle() {
			h.end()
			w.hand, wait = nil, 0
		} else {
			held = len(h.holds)
		}
	}
	w.record.note(func(s *Status) { s.Held = held })
	return wait
}

// open connects to the service.
func (w *Worker) open(ctx context.Context) {
	source, err := w.driver.Open(ctx, w.options.Name)
	w.post(func() {
		w.opening = false
		switch {
		case err != nil:
			w.missing(err)
		case w.stopping:
			source.Close()
		default:
			w.hand = &hand{w: w, source: source, holds: map[*task]bool{}, reach: 1}
		}
	})
}

// stop gives back what has not begun.
func (w *Worker) stop() {
	w.stopping = true
	if h := w.hand; h != nil {
		for _, t := range w.line.empty() {
			h.giveBack(t)
		}
	}
}

// abandon gives back what has not ended in time. The second time it waits for no answer any more.
func (w *Worker) abandon() {
	h := w.hand
	switch {
	case h == nil:
	case w.gaveUp:
		h.end()
		w.hand = nil
	default:
		w.gaveUp = true
		for t := range h.holds {
			if !t.over && !t.settling {
				t.cancel(ErrStopping)
				h.giveBack(t)
			}
		}
	}
}

// interruptAll ends what still runs when Run is over.
func (w *Worker) interruptAll() {
	for _, t := range w.known {
		t.cancel(ErrStopping)
	}
}

// beat looks after the jobs in hand.
func (w *Worker) beat() {
	now := time.Now()
	w.news.say(w, now)
	for _, t := range w.known {
		w.interrupt(t, now)
	}
	for len(w.unsure) > 0 && now.Sub(w.unsure[0].ended) > keepUnsure {
		w.forgetOldest()
	}
	if w.hand != nil {
		w.hand.touch(now)
	}
}

// interrupt ends the context of a job that takes too long, and gives a handler up that goes on all the same.
func (w *Worker) interrupt(t *task, now time.Time) {
	w.line.mu.Lock()
	begun, timeout, returned := t.begun, t.timeout, t.returned
	w.line.mu.Unlock()
	if t.over || begun.IsZero() || returned {
		return
	}
	switch took := now.Sub(begun); {
	case took > timeout+stuckAfter:
		w.finished(t, fmt.Errorf("%w: and did not end when it was told to", ErrTimeout))
	case took > timeout:
		t.cancel(ErrTimeout)
	}
}

// forgetOldest forgets a job that ran and was not confirmed.
func (w *Worker) forgetOldest() {
	w.forget(w.unsure[0])
	w.unsure = w.unsure[1:]
}

// forget ends what is known of a job. Its number may belong to another by now.
func (w *Worker) forget(t *task) {
	if w.known[t.id] != t {
		return
	}
	delete(w.known, t.id)
	if t.over && t.err == nil && w.options.Gone != nil {
		w.options.Gone(t.id)
	}
}

// remember keeps a job that ran and was not deleted.
func (w *Worker) remember(t *task) {
	for len(w.unsure) >= maxUnconfirmed {
		w.forgetOldest()
	}
	w.unsure = append(w.unsure, t)
}
