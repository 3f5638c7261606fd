package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// setContext creates the context that the handler gets. It does not derive from Run's: a job may end after a stop began.
func (j *activeJob) setContext() {
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
}

// jobDone handles the end of a job's handler.
func (w *Worker) jobDone(j *activeJob, err error) {
	if j.done {
		return
	}
	j.done, j.err, j.doneAt = true, err, time.Now()
	interrupted := context.Cause(j.ctx)
	j.cancel(nil)
	switch s := w.session; {
	case w.known[j.ID] != j || j.finishing || errors.Is(interrupted, ErrStopping): // its outcome does not matter any more
	case s != nil && s.held[j]:
		s.finish(j)
	case err == nil:
		w.remember(j)
	default: // the service will deliver it again
		w.forget(j)
	}
}

// confirm removes a job from those that are unconfirmed.
func (w *Worker) confirm(j *activeJob) {
	w.unconfirmed = slices.DeleteFunc(w.unconfirmed, func(other *activeJob) bool { return other == j })
}

// finish deletes a held job that succeeded, and releases or buries one that failed.
func (s *session) finish(j *activeJob) {
	j.finishing = true
	if j.err != nil {
		s.withStats(j, func(stats Stats) { s.releaseOrBury(j, stats) })
		return
	}
	s.source.Delete(j.ID, func(err error) {
		s.w.post(func() { s.onDelete(j, err) })
	})
}

// withStats calls then with the stats of a held job.
func (s *session) withStats(j *activeJob, then func(stats Stats)) {
	s.askStats(j, func(stats Stats, err error) {
		switch {
		case s.connectionLost != nil || !s.held[j]:
		case err != nil:
			s.forget(j)
			s.handleError("reading its stats", j.ID, err)
		default:
			then(stats)
		}
	})
}

func (s *session) onDelete(j *activeJob, err error) {
	switch {
	case s.connectionLost != nil:
	case err == nil: // also if its time to run ended meanwhile: no worker had reserved it yet
		s.w.confirm(j)
		s.forget(j)
		s.w.monitor.update(func(s *Status) { s.Done++ })
	case !s.held[j]:
	case !isAnswer(err): // it may be delivered again, and must not run then
		s.lose(err)
	default: // the same
		s.drop(j)
		s.w.log.Warn("queue: a job that is done could not be deleted", "queue", s.w.options.Name, "job", j.ID, "error", err)
	}
}

func (s *session) forget(j *activeJob) {
	delete(s.held, j)
	s.w.forget(j)
}

// outcome describes how a failed job is ended: released for another attempt, or buried.
type outcome struct {
	reason  error
	attempt int
	buried  bool
	delay   time.Duration // before the next attempt, unless it is buried
}

// releaseOrBury releases a job whose handler returned an error, or buries it after its last attempt or a permanent error.
func (s *session) releaseOrBury(j *activeJob, stats Stats) {
	maxAttempts := s.w.options.MaxAttempts
	if j.maxTries > 0 {
		maxAttempts = j.maxTries
	}
	o := outcome{reason: j.err, attempt: stats.attempt()}
	if errors.Is(j.err, ErrPermanent) || o.attempt >= maxAttempts {
		s.bury(j, stats, j.err)
		return
	}
	o.delay = maxRetryDelay
	if stats.Releases < 16 { // a larger shift would overflow
		o.delay = min(maxRetryDelay, minRetryDelay<<stats.Releases)
	}
	s.source.Release(j.ID, stats.Priority, o.delay, func(err error) {
		s.w.post(func() { s.onFailed(j, o, "releasing it", err) })
	})
}

func (s *session) bury(j *activeJob, stats Stats, reason error) {
	j.finishing = true
	o := outcome{reason: reason, attempt: stats.attempt(), buried: true}
	s.source.Bury(j.ID, stats.Priority, reason.Error(), func(err error) {
		s.w.post(func() { s.onFailed(j, o, "burying it", err) })
	})
}

// onFailed handles the answer to a bury or a release.
func (s *session) onFailed(j *activeJob, o outcome, doing string, err error) {
	if errors.Is(err, ErrBuried) {
		o.reason, o.buried, err = fmt.Errorf("%w: %w", err, o.reason), true, nil
	}
	if !s.isFinished(j, doing, err) {
		return
	}
	s.w.logFailure(j, o)
	s.w.monitor.addFailure(Failure{
		ID: j.ID, Command: s.w.command(j), Attempt: o.attempt, Reason: o.reason.Error(), Time: time.Now(), Buried: o.buried,
	}, buryReason(o.reason))
	if o.buried {
		s.checkBuried()
	}
}

// isFinished handles the answer to a command that ends a job, and reports whether the job was ended.
func (s *session) isFinished(j *activeJob, doing string, err error) bool {
	if s.connectionLost != nil || !s.held[j] {
		return false
	}
	s.forget(j)
	if err != nil {
		s.handleError(doing, j.ID, err)
		return false
	}
	return true
}

// logFailure logs that a job failed and how it was ended, at most once a second for each command and reason. If the handler has
// logged the reason already, only its reference is logged.
func (w *Worker) logFailure(j *activeJob, o outcome) {
	command := w.command(j)
	line := w.throttle.Allow(fmt.Sprint("failed\x00", o.buried, command, "\x00", o.reason), time.Now())
	if !line.Allowed {
		return
	}
	key, reason := "error", o.reason.Error()
	if logged, ok := errors.AsType[interface {
		error
		Ref() string
	}](o.reason); ok && !errors.Is(o.reason, ErrBuried) {
		key, reason = "ref", logged.Ref()
	}
	log := w.log.With("queue", w.options.Name, "job", j.ID, "command", command, "attempt", o.attempt, key, reason,
		"suppressed", line.Suppressed)
	if o.buried {
		log.Error("queue: a job failed and is buried")
	} else {
		log.Warn("queue: a job failed and is tried again", "delay", o.delay)
	}
}

// command returns the command of a job. The handler of a stuck job may still set it.
func (w *Worker) command(j *activeJob) string {
	w.pending.mu.Lock()
	defer w.pending.mu.Unlock()
	return j.Command
}

// giveBack gives back a job that has not begun, or did not end in time.
func (s *session) giveBack(j *activeJob) {
	j.finishing = true
	s.withStats(j, func(stats Stats) {
		s.source.GiveBack(j.ID, stats.Priority, func(err error) {
			s.w.post(func() {
				if s.isFinished(j, "giving it back", err) {
					s.w.monitor.update(func(s *Status) { s.GivenBack++ })
				}
			})
		})
	})
}

// checkBuried counts the buried jobs, at most once in buriedInterval, and logs a warning if there are many.
func (s *session) checkBuried() {
	if !s.w.buriedCounted.IsZero() && time.Since(s.w.buriedCounted) < buriedInterval {
		return
	}
	s.w.buriedCounted = time.Now()
	s.source.Buried(func(n int, err error) {
		s.w.post(func() {
			switch {
			case s.connectionLost != nil:
			case err != nil:
				s.handleError("counting buried jobs", 0, err)
			case n <= buriedWarning:
				s.w.buriedWarned = false
			case !s.w.buriedWarned:
				s.w.buriedWarned = true
				s.w.log.Warn("queue: many jobs are buried", "queue", s.w.options.Name, "jobs", n)
			}
		})
	})
}
