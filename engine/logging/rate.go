package logging

import "time"

// Rate bounds how many lines are logged a second. It may be used by one goroutine at a time; the zero value is ready.
type Rate struct {
	began   time.Time // the second that counts
	lines   int       // that were asked for in it
	refused int       // of those
}

// Turn is what to do about a line.
type Turn struct {
	// Take tells whether to log it.
	Take bool
	// First tells that it is the first of its second that is not to be logged.
	First bool
	// Refused is how many were not logged in an earlier second and have not been told of.
	Refused int
}

// Ask counts a line, of which limit may be logged a second.
func (r *Rate) Ask(limit int, now time.Time) Turn {
	var t Turn
	if passed := now.Sub(r.began); passed < 0 || passed >= time.Second {
		t.Refused = r.refused
		*r = Rate{began: now}
	}
	r.lines++
	if t.Take = r.lines <= limit; !t.Take {
		r.refused++
		t.First = r.refused == 1
	}
	return t
}
