package queue

import (
	"context"
	"errors"
	"fmt"
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
	case w.known[t.id] != t || t.settling || errors.Is(interrupted, ErrStopping): // nobody wants to know
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
	w.unsure = slices.DeleteFunc(w.unsure, func(other *task) bool { return other == t })
}

// settle has the service do what follows from the outcome of a job in hand.
func (h *hand) settle(t *task) {
	t.settling = true
	if t.err != nil {
		h.look(t, func(s Stats) { h.failed(t, s) })
		return
	}
	h.source.Delete(t.id, func(err error) {
		h.w.post(func() { h.deleted(t, err) })
	})
}

// look goes on with what the service knows of a job in hand.
func (h *hand) look(t *task, then func(s Stats)) {
	h.source.Stats(t.id, func(s Stats, err error) {
		h.w.post(func() {
			switch {
			case h.lost != nil || !h.holds[t]:
			case err != nil:
				h.close(t)
				h.fault("looking at it", t.id, err)
			default:
				then(s)
			}
		})
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

// verdict is what becomes of a job that failed.
type verdict struct {
	reason  error
	attempt int
	buried  bool
	delay   time.Duration // before it is tried again, where it is not buried
}

// failed decides what becomes of a job whose handler returned an error.
func (h *hand) failed(t *task, s Stats) {
	most := h.w.options.MaxAttempts
	if t.maxTries > 0 {
		most = t.maxTries
	}
	v := verdict{reason: t.err, attempt: s.attempt()}
	if errors.Is(t.err, ErrPermanent) || v.attempt >= most {
		h.bury(t, s, t.err)
		return
	}
	v.delay = lastDelay
	if s.Releases < 16 { // beyond that it would be later anyway
		v.delay = min(lastDelay, firstDelay<<s.Releases)
	}
	h.source.Release(t.id, s.Priority, v.delay, func(err error) {
		h.w.post(func() { h.judged(t, v, "releasing it", err) })
	})
}

// bury sets a job aside.
func (h *hand) bury(t *task, s Stats, reason error) {
	t.settling = true
	v := verdict{reason: reason, attempt: s.attempt(), buried: true}
	h.source.Bury(t.id, s.Priority, func(err error) {
		h.w.post(func() { h.judged(t, v, "burying it", err) })
	})
}

// judged takes the answer to a bury or a release.
func (h *hand) judged(t *task, v verdict, doing string, err error) {
	if errors.Is(err, ErrBuried) {
		v.reason, v.buried, err = fmt.Errorf("%w: %w", err, v.reason), true, nil
	}
	if !h.settled(t, doing, err) {
		return
	}
	h.w.report(t, v)
	h.w.record.fail(Failure{
		ID: t.id, Command: t.command, Attempt: v.attempt, Reason: v.reason.Error(), Time: time.Now(), Buried: v.buried,
	}, causeOf(v.reason))
	if v.buried {
		h.countBuried()
	}
}

// settled takes the answer to a command that ends what is known of a job, and tells whether it was done.
func (h *hand) settled(t *task, doing string, err error) bool {
	if h.lost != nil || !h.holds[t] {
		return false
	}
	h.close(t)
	if err != nil {
		h.fault(doing, t.id, err)
		return false
	}
	return true
}

// report logs what became of a job that failed, once a second at most for each command and reason. The reason is left to
// whoever has logged it under a reference.
func (w *Worker) report(t *task, v verdict) {
	line := w.throttle.Allow(fmt.Sprint("failed\x00", v.buried, t.command, "\x00", v.reason), time.Now())
	if !line.Allowed {
		return
	}
	key, reason := "error", v.reason.Error()
	if logged, ok := errors.AsType[interface {
		error
		Ref() string
	}](v.reason); ok && !errors.Is(v.reason, ErrBuried) {
		key, reason = "ref", logged.Ref()
	}
	log := w.log.With("queue", w.options.Name, "job", t.id, "command", t.command, "attempt", v.attempt, key, reason,
		"suppressed", line.Suppressed)
	if v.buried {
		log.Error("queue: a job failed and is buried")
	} else {
		log.Warn("queue: a job failed and is tried again", "delay", v.delay)
	}
}

// giveBack gives back a job that was not begun, or that did not end in time.
func (h *hand) giveBack(t *task) {
	t.settling = true
	h.look(t, func(s Stats) {
		h.source.GiveBack(t.id, s.Priority, func(err error) {
			h.w.post(func() {
				if h.settled(t, "giving it back", err) {
					h.w.record.note(func(s *Status) { s.GivenBack++ })
				}
			})
		})
	})
}

// countBuried warns where many jobs are buried. It asks now and then.
func (h *hand) countBuried() {
	if !h.w.counted.IsZero() && time.Since(h.w.counted) < crowdEvery {
		return
	}
	h.w.counted = time.Now()
	h.source.Buried(func(n int, err error) {
		h.w.post(func() {
			switch {
			case h.lost != nil:
			case err != nil:
				h.fault("counting those that are buried", 0, err)
			case n <= crowd:
				h.w.crowded = false
			case !h.w.crowded:
				h.w.crowded = true
				h.w.log.Warn("queue: many jobs are buried", "queue", h.w.options.Name, "jobs", n)
			}
		})
	})
}
