package metrics

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Kind says what runs a handler.
type Kind string

// The kinds of handlers.
const (
	Message Kind = "message"
	Command Kind = "command"
	Timer   Kind = "timer" // a function; a timer that runs a command is counted as that command
	Hook    Kind = "hook"  // of the manager
)

// Names under which messages that no handler takes are counted. Messages of scripts cannot have such names by accident.
const (
	unknown = "(unknown)"
	invalid = "(invalid)"
)

// buckets is the number of buckets, without the last one, which has no bound.
const buckets = 7

// bounds returns the upper bounds of the buckets: a handler that only answers takes less than a millisecond, lua.slow_turn is
// 50 ms and lua.turn_timeout is one second, and handlers that wait may take longer.
func bounds() [buckets]time.Duration {
	return [buckets]time.Duration{
		100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond,
		time.Second, 10 * time.Second,
	}
}

// Generation counts what the handlers of one generation of scripts do, by the names that the scripts have registered. It is
// safe for concurrent use. A nil Generation counts nothing.
//
// It does not use the counters of a library: a reload would make hundreds of them while it holds the loop.
type Generation struct {
	// Set by Registry.Generation, never changed.
	number int
	epoch  time.Time

	// Guarded by mu.
	mu       sync.Mutex
	received map[string]*Counter
	handlers map[handlerKey]*Handler
}

type handlerKey struct {
	kind Kind
	name string
}

// Generation returns the counters of a generation of scripts. They are not part of the metrics before Register.
func (r *Registry) Generation(number int) *Generation {
	if r == nil {
		return nil
	}
	return &Generation{
		number: number, epoch: time.Now(), received: map[string]*Counter{}, handlers: map[handlerKey]*Handler{},
	}
}

// Register makes the counters of a generation part of the metrics.
func (r *Registry) Register(g *Generation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registered[g] = struct{}{}
}

// Unregister takes the counters of a generation out of the metrics, once none of its handlers is left.
func (r *Registry) Unregister(g *Generation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.registered, g)
}

// Received returns the counter of messages with a name that the scripts have registered.
func (g *Generation) Received(name string) *Counter {
	if g == nil {
		return nil
	}
	name = validName(name)
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.received[name]
	if c == nil {
		c = &Counter{}
		g.received[name] = c
	}
	return c
}

// Unknown returns the counter of messages that the scripts have not registered.
func (g *Generation) Unknown() *Counter { return g.Received(unknown) }

// Invalid returns the counter of messages that could not be decoded.
func (g *Generation) Invalid() *Counter { return g.Received(invalid) }

// Handler returns the counters of a handler.
func (g *Generation) Handler(kind Kind, name string) *Handler {
	if g == nil {
		return nil
	}
	key := handlerKey{kind, validName(name)}
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.handlers[key]
	if h == nil {
		h = &Handler{epoch: g.epoch}
		g.handlers[key] = h
	}
	return h
}

// validName returns a name as a label can have it: in Lua a name is any string of bytes, in a label it is UTF-8.
func validName(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// Counter counts events. A nil Counter counts nothing.
type Counter struct{ n atomic.Uint64 }

// Add counts one event.
func (c *Counter) Add() {
	if c != nil {
		c.n.Add(1)
	}
}

// Handler counts the runs of one handler, their time and their errors. A nil Handler counts nothing.
type Handler struct {
	epoch  time.Time
	counts [buckets + 1]atomic.Uint64 // runs by the bucket that they fall into; the last has those above all bounds
	total  atomic.Int64               // time of all runs, in nanoseconds
	failed atomic.Uint64
}

// Start returns the time at which a run starts, for End. It costs half as much as time.Now.
func (h *Handler) Start() time.Duration {
	if h == nil {
		return 0
	}
	return time.Since(h.epoch)
}

// End counts a run that has ended.
func (h *Handler) End(start time.Duration, ok bool) {
	if h == nil {
		return
	}
	took := time.Since(h.epoch) - start
	bucket := 0
	for _, bound := range bounds() {
		if took <= bound {
			break
		}
		bucket++
	}
	h.counts[bucket].Add(1)
	h.total.Add(int64(took))
	if !ok {
		h.failed.Add(1)
	}
}

// handlerFamilies returns the metrics of generations.
func handlerFamilies(generations []*Generation) []*family {
	received := &family{
		name: "perigee_messages_received_total", kind: counter,
		help: "Messages from clients by name, refused ones included; unregistered ones together, and those that cannot be read.",
	}
	duration := &family{
		name: "perigee_handler_duration_seconds", kind: histogram,
		help: "Time from begin to end of each run of a handler, waiting included.",
	}
	failed := &family{name: "perigee_handler_errors_total", kind: counter, help: "Runs of handlers that ended with an error."}
	for _, g := range generations {
		g.addTo(received, duration, failed)
	}
	return []*family{received, duration, failed}
}

// addTo appends the series of a generation.
func (g *Generation) addTo(received, duration, failed *family) {
	generation := label{"generation", strconv.Itoa(g.number)}
	counts, handlers := g.counters()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		received.add("", float64(counts[name].n.Load()), generation, label{"name", name})
	}
	for _, key := range sortedKeys(handlers) {
		h, kind, name := handlers[key].read(key), label{"kind", string(key.kind)}, label{"name", key.name}
		failed.add("", float64(h.Errors), generation, kind, name)
		var runs uint64
		for i, bound := range bounds() {
			runs += h.Buckets[i]
			duration.add("_bucket", float64(runs), generation, kind, name, label{"le", number(bound.Seconds())})
		}
		duration.add("_bucket", float64(h.Runs), generation, kind, name, label{"le", "+Inf"})
		duration.add("_sum", h.Seconds, generation, kind, name)
		duration.add("_count", float64(h.Runs), generation, kind, name)
	}
}
