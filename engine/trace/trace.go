// Package trace owns the live view of the messages: who watches which of them, and the events that a watcher has not read yet. It must
// not know connections or topics: the hub and the manager say what happens, and whom it concerns.
package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/logging"
	"perigee/engine/wire"
)

const (
	maxTaps   = 4
	maxEvents = 1000    // that wait for the reader of a tap
	maxBytes  = 4 << 20 // of their messages
)

// MaxDuration is how long the trace of an operator lasts: a forgotten one does not slow the server down forever.
const MaxDuration = 10 * time.Minute

// What an event says.
const (
	In       = "in"       // a message of a client has come
	Handled  = "handled"  // its handler and listeners have ended
	Prompted = "prompted" // its client has to sign in for it
	Refused  = "refused"  // with an exception
	Failed   = "failed"   // its handler has failed
	Out      = "out"      // a message goes to a client, to a topic or to everybody
)

// Event is one line of a trace.
type Event struct {
	Time time.Time `json:"time"`
	Kind string    `json:"event"`
	// Connection is the UUID of the client. It is "" for a message to a topic or to everybody.
	Connection string `json:"connection,omitempty"`
	User       string `json:"user,omitempty"`
	Topic      string `json:"topic,omitempty"` // whose message it is
	Everybody  bool   `json:"everybody,omitempty"`
	// Name is the name of the message; "" if one came that has no name.
	Name string `json:"name,omitempty"`
	// Text is the message, if the event is In or Out, without secrets and clipped.
	Text      string  `json:"text,omitempty"`
	Took      float64 `json:"took,omitempty"` // seconds from In until the outcome
	Exception string  `json:"exception,omitempty"`
	Reason    string  `json:"reason,omitempty"` // the message of the exception
	Ref       string  `json:"ref,omitempty"`    // of the failure in the log
	// Dropped is how many events are missing before this one, because the reader was too slow.
	Dropped int `json:"dropped,omitempty"`

	message []byte // the whole message; never changed
}

// Outcome says how the handling of a message ended. The zero Outcome means that it ended with the server.
type Outcome struct {
	Kind, Exception, Reason, Ref string
}

// Filter selects events: those that match all of its fields that are not "".
type Filter struct {
	Connection string `json:"connection,omitempty"` // UUID; also messages to topics that it subscribes to, and to everybody
	User       string `json:"user,omitempty"`       // the same for the connections of a user
	Message    string `json:"message,omitempty"`    // name
	Topic      string `json:"topic,omitempty"`      // name; only messages to its subscribers
}

// HasClient reports whether the filter selects by the client.
func (f Filter) HasClient() bool { return f.Connection != "" || f.User != "" }

// MatchesClient reports whether the filter selects events of a client.
func (f Filter) MatchesClient(uuid, user string) bool {
	return (f.Connection == "" || f.Connection == uuid) && (f.User == "" || f.User == user)
}

func (f Filter) matches(e *Event) bool {
	return (f.Message == "" || f.Message == e.Name) && (f.Topic == "" || f.Topic == e.Topic)
}

// Options configure a tap.
type Options struct {
	Filter
	// Redactor returns what hides secrets. It is called by the reader of the tap.
	Redactor func() wire.Redactor
	// Limit ends the trace after that time. Optional: 0 means no end.
	Limit time.Duration
}

// Taps are those that watch. The zero Taps are none. They are safe for concurrent use.
type Taps struct {
	active atomic.Pointer[[]*Tap] // nil while nobody watches; the slice is never changed
	mu     sync.Mutex             // held while active changes
}

// Active returns those that watch, and nil if nobody does. The slice must not be changed.
func (t *Taps) Active() []*Tap {
	if active := t.active.Load(); active != nil {
		return *active
	}
	return nil
}

// errTooMany is returned for a trace beyond maxTaps.
var errTooMany = fmt.Errorf("%d traces are running; end one of them first", maxTaps)

// Add begins a trace. The caller must end it with Close.
func (t *Taps) Add(o Options) (*Tap, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	active := t.Active()
	if len(active) >= maxTaps {
		return nil, errTooMany
	}
	tap := &Tap{options: o, taps: t, events: make(chan Event, maxEvents)}
	if o.Limit > 0 {
		tap.timeout = time.After(o.Limit)
	}
	active = append(slices.Clone(active), tap)
	t.active.Store(&active)
	return tap, nil
}

// Tap is a trace. One goroutine reads it.
type Tap struct {
	// Set by Add, never changed.
	options Options
	taps    *Taps
	timeout <-chan time.Time

	events chan Event // the loop sends, Next receives; never closed
	bytes  atomic.Int64

	dropped int // since the last event that was not; owned by the loop
}

// Filter returns what the tap selects.
func (t *Tap) Filter() Filter { return t.options.Filter }

// Put adds an event about a message, which must not be changed any more, if the filter selects its name and its topic. The caller
// has compared the client. If the reader is too slow, the event is dropped. Put is called on the loop only, and does not block.
func (t *Tap) Put(e Event, message []byte) {
	if !t.options.matches(&e) {
		return
	}
	e.message, e.Dropped = message, t.dropped
	size := int64(len(message))
	if waiting := t.bytes.Add(size); waiting <= maxBytes || waiting == size { // any single one
		select {
		case t.events <- e:
			t.dropped = 0
			return
		default:
		}
	}
	t.bytes.Add(-size)
	t.dropped++
}

// ErrEnded is returned by Next when the time of the trace is over.
var ErrEnded = errors.New("the trace has ended after its time limit")

// Next waits for the next event, at most until ctx or the trace ends.
func (t *Tap) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-t.events:
		t.bytes.Add(-int64(len(e.message)))
		redactor := t.options.Redactor()
		if len(e.message) > 0 {
			e.Text = redactor.Show(e.message, logging.MaxValue, len(e.message))
		}
		e.Reason, e.message = redactor.Text(e.Reason), nil
		return e, nil
	case <-t.timeout:
		return Event{}, ErrEnded
	case <-ctx.Done():
		return Event{}, context.Cause(ctx)
	}
}

// Close ends the trace. Additional calls are no-ops.
func (t *Tap) Close() {
	t.taps.mu.Lock()
	defer t.taps.mu.Unlock()
	active := slices.DeleteFunc(slices.Clone(t.taps.Active()), func(other *Tap) bool { return other == t })
	if len(active) == 0 {
		t.taps.active.Store(nil)
		return
	}
	t.taps.active.Store(&active)
}
