package queue

import (
	"context"
	"errors"
	"slices"
	"time"
)

// prepare gives a job the context that its handler gets. Jobs outlive the context of Run: they may come to their end.
func (t *task) prepare() {
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
}

// finished takes the outcome of a job.
func (w *Worker) finished(t *task, err error) {
	if t.over {
		return
	}
	t.over, t.err, t.ended = true, err, time.Now()
	interrupted := context.Cause(t.ctx)
	t.cancel(nil)
	switch h := w.hand; {
	case w.known[t.id] != t || errors.Is(interrupted, ErrStopping): // nobody wants to know
	case h != nil && h.holds[t]:
		h.settle(t)
	case err == nil:
		w.remember(t)
	default: // the service gives it out again
		w.forget(t)
	}
}

// unremember takes a job out of those that no connection holds.
func (w *Worker) unremember(t *task) {
	if i := slices.Index(w.unsure, t); i >= 0 {
		w.unsure = slices.Delete(w.unsure, i, i+1)
	}
}

// settle has the service do what follows from the outcome of a job in hand.
func (h *hand) settle(t *task) {
	t.settling = true
	if t.err == nil {
		h.source.Delete(t.id, func(err error) {
			h.w.post(func() { h.deleted(t, err) })
		})
		return
	}
	h.source.Stats(t.id, func(s Stats, err error) {
		h.w.post(func() { h.failed(t, s, err) })
	})
}

// deleted takes the answer to a delete.
func (h *hand) deleted(t *task, err error) {
	switch {
	case h.lost != nil || !h.holds[t]:
	case err == nil:
		h.close(t)
		h.w.record.note(func(s *Status) { s.Done++ })
	case !answered(err): // it may come again, and is not to run then
		h.lose(err)
	default: // the same
		h.letGo(t)
		h.w.log.Warn("queue: a job that is done could not be deleted", "queue", h.w.options.Name, "job", t.id, "error", err)
	}
}

// close ends what is known of a job in hand.
func (h *hand) close(t *task) {
	delete(h.holds, t)
	h.w.forget(t)
}

// failed decides what becomes of a job whose handler returned an error.
func (h *hand) failed(t *task, s Stats, err error) {
	if h.lost != nil || !h.holds[t] {
		return
	}
	if err != nil {
		h.letGo(t)
		h.fault(err)
		return
	}
	most := h.w.options.MaxAttempts
	if t.maxTries > 0 {
		most = t.maxTries
	}
	attempt := s.Releases + 1
	if errors.Is(t.err, ErrNever) || attempt >= most {
		h.bury(t, s, t.err)
		return
	}
	delay := lastDelay
	if s.Releases < 16 { // beyond that it would be later anyway
		delay = min(lastDelay, firstDelay<<s.Releases)
	}
	h.source.Release(t.id, s.Priority, delay, func(err error) {
		h.w.post(func() { h.settled(t, t.err, false, err) })
	})
	h.w.log.Warn("queue: a job failed and is tried again", "queue", h.w.options.Name, "job", t.id,
		"command", t.command, "attempt", t.attempt, "delay", delay, "error", t.err)
}

// bury sets a job aside.
func (h *hand) bury(t *task, s Stats, reason error) {
	t.settling = true
	h.source.Bury(t.id, s.Priority, func(err error) {
		h.w.post(func() { h.settled(t, reason, true, err) })
	})
	h.w.log.Error("queue: a job failed and is buried", "queue", h.w.options.Name, "job", t.id,
		"command", t.command, "attempt", t.attempt, "error", reason)
	h.countBuried()
}

// settled takes the answer to a bury or a release.
func (h *hand) settled(t *task, reason error, buried bool, err error) {
	if h.lost != nil || !h.holds[t] {
		return
	}
	h.close(t)
	if err != nil {
		h.fault(err)
		return
	}
	h.w.record.fail(Failure{
		ID: t.id, Command: t.command, Attempt: t.attempt, Reason: reason.Error(), Time: time.Now(), Buried: buried,
	})
}

// giveBack gives back a job that was not begun.
func (h *hand) giveBack(t *task) {
	t.settling = true
	h.source.Stats(t.id, func(s Stats, err error) {
		h.w.post(func() {
			switch {
			case h.lost != nil || !h.holds[t]:
			case err != nil:
				h.close(t)
				h.fault(err)
			default:
				h.source.Release(t.id, s.Priority, 0, func(err error) {
					h.w.post(func() { h.gaveBack(t, err) })
				})
			}
		})
	})
}

// gaveBack takes the answer to a release of a job that was not begun.
func (h *hand) gaveBack(t *task, err error) {
	if h.lost != nil || !h.holds[t] {
		return
	}
	h.close(t)
	if err != nil {
		h.fault(err)
		return
	}
	h.w.record.note(func(s *Status) { s.GivenBack++ })
}

// countBuried warns where many jobs are buried. It asks now and then.
func (h *hand) countBuried() {
	if !h.w.counted.IsZero() && time.Since(h.w.counted) < crowdEvery {
		return
	}
	h.w.counted = time.Now()
	h.source.Buried(func(n int, err error) {
		h.w.post(func() {
			if err != nil || n <= crowd {
				h.w.crowded = h.w.crowded && err != nil
				return
			}
			if !h.w.crowded {
				h.w.crowded = true
				h.w.log.Warn("queue: many jobs are buried", "queue", h.w.options.Name, "jobs", n)
			}
		})
	})
}
