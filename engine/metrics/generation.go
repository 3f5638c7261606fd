package metrics

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind says what a handler is for.
type Kind string

// The kinds of handlers.
const (
	Message Kind = "message"
	Command Kind = "command"
	Timer   Kind = "timer" // a function; where a timer runs a command, that is counted
	Hook    Kind = "hook"  // of the manager
)

// Names of messages that are none. They are no word that anybody would give a message.
const (
	unknown = "(unknown)"
	invalid = "(invalid)"
)

// buckets is how many times are told apart, beside those above all bounds.
const buckets = 7

// bounds are those of the buckets: a handler that only answers takes less than a millisecond, lua.slow_turn is 50 ms and
// lua.turn_timeout a second, and those that wait may take longer.
func bounds() [buckets]time.Duration {
	return [buckets]time.Duration{
		100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond,
		time.Second, 10 * time.Second,
	}
}

// Generation counts what the handlers of one set of scripts do. Whatever is counted under a name is a name that the scripts
// have registered. Any goroutine may use it. A nil Generation counts nothing.
//
// The counts are not the library's: hundreds of those would be made while a reload holds the loop, at forty allocations for
// each handler.
type Generation struct {
	// Set by Registry.Generation, never changed.
	number string
	epoch  time.Time

	// Guarded by mu.
	mu       sync.Mutex
	received map[string]*Count
	runs     map[handler]*Runs
}

// handler names one.
type handler struct {
	kind Kind
	name string
}

// Generation returns what counts for the scripts of a number. Nobody reads it before Show.
func (r *Registry) Generation(number int) *Generation {
	if r == nil {
		return nil
	}
	return &Generation{
		number: strconv.Itoa(number), epoch: time.Now(), received: map[string]*Count{}, runs: map[handler]*Runs{},
	}
}

// Show has the counts of a generation read from now on.
func (r *Registry) Show(g *Generation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown[g] = struct{}{}
}

// Hide ends what Show began: of the scripts nothing is left, and their series are gone.
func (r *Registry) Hide(g *Generation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shown, g)
}

// Received counts the messages of a name that the scripts have registered.
func (g *Generation) Received(name string) *Count {
	if g == nil {
		return nil
	}
	name = label(name)
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.received[name]
	if c == nil {
		c = &Count{}
		g.received[name] = c
	}
	return c
}

// Unknown counts the messages that nobody has registered.
func (g *Generation) Unknown() *Count { return g.Received(unknown) }

// Invalid counts the messages that cannot be read.
func (g *Generation) Invalid() *Count { return g.Received(invalid) }

// Runs counts the runs of a handler.
func (g *Generation) Runs(kind Kind, name string) *Runs {
	if g == nil {
		return nil
	}
	of := handler{kind, label(name)}
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.runs[of]
	if r == nil {
		r = &Runs{epoch: g.epoch}
		g.runs[of] = r
	}
	return r
}

// label makes a name, which in Lua is any string of bytes, one that a label can have.
func label(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// Count counts what happens. A nil Count does not.
type Count struct{ n atomic.Uint64 }

// Add counts one more.
func (c *Count) Add() {
	if c != nil {
		c.n.Add(1)
	}
}

// Runs counts the runs of one handler, and how long they took. nil does not.
type Runs struct {
	epoch  time.Time
	within [buckets + 1]atomic.Uint64 // runs by the bucket that they fall into; the last has those above all bounds
	took   atomic.Int64               // all of them, in nanoseconds
	failed atomic.Uint64
}

// Began returns when a run begins, for Ended. It is half as dear as to ask for the time of day.
func (r *Runs) Began() time.Duration {
	if r == nil {
		return 0
	}
	return time.Since(r.epoch)
}

// Ended counts a run that has ended, well or badly.
func (r *Runs) Ended(began time.Duration, well bool) {
	if r == nil {
		return
	}
	took := time.Since(r.epoch) - began
	bucket := 0
	for _, bound := range bounds() {
		if took <= bound {
			break
		}
		bucket++
	}
	r.within[bucket].Add(1)
	r.took.Add(int64(took))
	if !well {
		r.failed.Add(1)
	}
}

// labels are those of all that is counted for handlers.
func labels(names ...string) []string { return append([]string{"generation"}, names...) }

// collect tells what was counted.
func (g *Generation) collect(to chan<- prometheus.Metric) {
	received := prometheus.NewDesc("perigee_messages_received_total",
		"Messages from clients by name, refused ones included; those that nobody registered together, and those that cannot be read.",
		labels("name"), nil)
	duration := prometheus.NewDesc("perigee_handler_duration_seconds",
		"Time from begin to end of each run of a handler, waiting included.", labels("kind", "name"), nil)
	failed := prometheus.NewDesc("perigee_handler_errors_total", "Runs of handlers that ended with an error.", labels("kind", "name"), nil)
	g.mu.Lock()
	counts, runs := maps.Clone(g.received), maps.Clone(g.runs)
	g.mu.Unlock()
	for name, c := range counts {
		to <- prometheus.MustNewConstMetric(received, counter, float64(c.n.Load()), g.number, name)
	}
	for h, r := range runs {
		values := []string{g.number, string(h.kind), h.name}
		to <- prometheus.MustNewConstMetric(failed, counter, float64(r.failed.Load()), values...)
		to <- r.histogram(duration, values)
	}
}

// histogram is what was counted of the time of the runs.
func (r *Runs) histogram(desc *prometheus.Desc, values []string) prometheus.Metric {
	var all uint64
	upTo := map[float64]uint64{}
	for i, bound := range bounds() {
		all += r.within[i].Load()
		upTo[bound.Seconds()] = all
	}
	all += r.within[buckets].Load()
	return prometheus.MustNewConstHistogram(desc, all, time.Duration(r.took.Load()).Seconds(), upTo, values...)
}
