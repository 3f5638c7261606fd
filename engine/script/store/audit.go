package store

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"perigee/engine/script/value"
)

const (
	// auditEntries is how many entries one step of an audit visits: some 300 microseconds.
	auditEntries = 2000
	// pauseFactor times the duration of a step is the pause after it, so an audit takes at most 1 % of the time.
	pauseFactor = 100
	minPause    = time.Millisecond // since a turn that continues the audit costs something, too
	// maxSuspects bounds how many handlers a finding names.
	maxSuspects = 8
)

// Handler is a function of the scripts that has run.
type Handler struct {
	Name string // of the message, command, timer or hook
	File string // that defines it; "" if it is a function of the server
	Line int
}

// String returns the name and, unless the server defines the function, the place of its definition: "Vote (scripts/votes.lua:7)".
func (h Handler) String() string {
	if h.File == "" {
		return h.Name
	}
	return fmt.Sprintf("%s (%s:%d)", h.Name, h.File, h.Line)
}

// Finding is a value that cannot be saved.
type Finding struct {
	// Err names the state, the place in it and the problem.
	Err error
	// Handlers are those that may have stored the value, up to maxSuspects: all that have run since the state was last found to be
	// good. Usually it is one.
	Handlers []Handler
	// Others reports whether there are more.
	Others bool
}

// AuditOptions are the options of an Audit.
type AuditOptions struct {
	// Report is called with each new finding, on the loop.
	Report func(f Finding)
	// After runs a function later, in a turn. If it is nil, the audit does not pause: each handler has all states checked.
	After func(d time.Duration, run func())
}

// Audit looks for values that cannot be saved soon after the handler has run that stored them. Tables do not tell who changes them,
// so it goes through all tables of a store, round after round, as long as handlers run. It belongs to the loop.
type Audit struct {
	store   *Store
	options AuditOptions

	states   []string       // still to check in this round, the present one first
	checker  *value.Checker // of the present one; nil between two
	earlier  []Handler      // that ran during the round before
	current  []Handler      // that have run since this round began
	reported map[string]string
	resume   time.Time // the audit pauses until then
	waiting  bool      // After will continue it
}

// NewAudit returns an audit of a store.
func NewAudit(s *Store, o AuditOptions) *Audit {
	return &Audit{store: s, options: o, reported: map[string]string{}}
}

// NoteRun notes that code of a handler has run. Continue must be called before a turn of another handler.
func (a *Audit) NoteRun(h Handler) {
	if len(a.current) <= maxSuspects && !slices.Contains(a.current, h) {
		a.current = append(a.current, h)
	}
}

// Continue continues the audit, unless it pauses. It must be called between two turns, since within a turn the tables may be
// inconsistent.
func (a *Audit) Continue() {
	if !a.waiting {
		a.continueNow()
	}
}

// continueNow takes a step if the audit does not pause, and has the rest of the round, or the next one, follow.
func (a *Audit) continueNow() {
	if a.options.After == nil {
		for a.step() {
			continue
		}
		return
	}
	began := time.Now()
	more := true
	if !began.Before(a.resume) {
		more = a.step()
		now := time.Now()
		a.resume = now.Add(max(minPause, pauseFactor*now.Sub(began)))
	}
	if more {
		a.waiting = true
		a.options.After(time.Until(a.resume), func() {
			a.waiting = false
			a.continueNow()
		})
	}
}

// step visits some entries and reports whether there is more to do.
func (a *Audit) step() (more bool) {
	if len(a.states) == 0 && a.checker == nil {
		if len(a.current) == 0 {
			return false
		}
		a.states = slices.Sorted(maps.Keys(a.store.tables))
		a.earlier, a.current = a.current, nil
	}
	for left := auditEntries; left > 0; {
		if a.checker == nil {
			if len(a.states) == 0 {
				break
			}
			a.checker = value.NewChecker(a.store.tables[a.states[0]])
		}
		visited, done, err := a.checker.Step(left)
		left -= visited
		if done {
			a.conclude(a.states[0], err)
			a.states, a.checker = a.states[1:], nil
		}
	}
	return len(a.states) > 0 || len(a.current) > 0
}

// conclude reports the error of a state, unless it has been reported.
func (a *Audit) conclude(state string, err error) {
	if err == nil {
		delete(a.reported, state)
		return
	}
	fault := fmt.Errorf("state %q: %w", state, reason(err))
	if a.reported[state] == fault.Error() {
		return
	}
	a.reported[state] = fault.Error()
	suspects := slices.Clone(a.earlier)
	for _, h := range a.current {
		if !slices.Contains(suspects, h) {
			suspects = append(suspects, h)
		}
	}
	n := min(len(suspects), maxSuspects)
	a.options.Report(Finding{Err: fault, Handlers: suspects[:n], Others: len(suspects) > n})
}
