package logging

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// repeatInterval is how often one and the same thing may be logged: clients can make a handler fail many times a second.
const repeatInterval = time.Second

// maxRepeats is how many different things are told apart; there are hardly as many places in scripts where one can fail.
const maxRepeats = 1024

// Repeats keeps one and the same thing from being logged more than once a second. It may be used by one goroutine at a
// time; the zero value is ready.
type Repeats struct{ all map[string]*repeat }

// repeat is a thing that was logged.
type repeat struct {
	ref    string
	until  time.Time // when it may be logged again
	unsaid int
}

// Occasion is what to do about a thing that happened.
type Occasion struct {
	// Ref is the short reference under which it is logged, or was, less than a second ago.
	Ref string
	// Due tells whether to log it.
	Due bool
	// Unsaid is how many were not logged since the last that was.
	Unsaid int
}

// Happened counts a thing; the key says what is the same.
func (r *Repeats) Happened(key string, now time.Time) Occasion {
	known := r.all[key]
	if known != nil && now.Before(known.until) {
		known.unsaid++
		return Occasion{Ref: known.ref}
	}
	if known == nil {
		if r.all == nil || len(r.all) >= maxRepeats {
			r.all = map[string]*repeat{}
		}
		known = &repeat{}
		r.all[key] = known
	}
	o := Occasion{Ref: fmt.Sprintf("%04x", rand.Uint32N(1<<16)), Due: true, Unsaid: known.unsaid}
	*known = repeat{ref: o.Ref, until: now.Add(repeatInterval)}
	return o
}
