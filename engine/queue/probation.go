package queue

import "time"

// probationRoom returns 1 if every held job is proven, so that a crash shows that the next one caused it, otherwise 0.
func (s *session) probationRoom() int {
	if s.outstanding > 0 || len(s.held) >= s.w.options.Window {
		return 0
	}
	s.w.pending.mu.Lock()
	defer s.w.pending.mu.Unlock()
	now := time.Now()
	for j := range s.held {
		if !j.isProven(now) {
			return 0
		}
	}
	return 1
}

// progress sets yielded or returned of a job. It is safe for concurrent use.
func (w *Worker) progress(j *activeJob, reached *bool) {
	w.pending.mu.Lock()
	*reached = true
	w.pending.mu.Unlock()
	if j.onProbation {
		w.post(func() {}) // the next job may begin
	}
}

// isProven reports whether a job on probation need not delay the next one: it has waited or returned, unless it is a suspect, or
// has run for long. pending.mu must be held.
func (j *activeJob) isProven(now time.Time) bool {
	if j.begun.IsZero() {
		return false
	}
	return (j.yielded || j.returned) && !j.suspect || now.Sub(j.begun) >= provenAfter
}
