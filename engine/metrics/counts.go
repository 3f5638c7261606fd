package metrics

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// GenerationCounts are the counts of one generation of scripts.
type GenerationCounts struct {
	Generation int               `json:"generation"`
	Received   map[string]uint64 `json:"received"` // messages by name, refused ones included
	Handlers   []HandlerCounts   `json:"handlers"` // sorted by kind and name
}

// HandlerCounts are the runs of one handler.
type HandlerCounts struct {
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"`
	Runs    uint64   `json:"runs"`
	Errors  uint64   `json:"errors"`
	Seconds float64  `json:"seconds"` // of all runs, waiting included
	Buckets []uint64 `json:"buckets"` // runs by the bucket of Bounds that they fall into; the last is for those above all bounds
}

// Bounds returns the upper bounds of the buckets of a handler's runs.
func Bounds() []time.Duration {
	all := bounds()
	return all[:]
}

// Snapshot returns the present figures of the server.
func (r *Registry) Snapshot() Snapshot { return r.snapshot() }

// Counts returns the counts of all generations that are part of the metrics, in their order.
func (r *Registry) Counts() []GenerationCounts {
	all := []GenerationCounts{}
	for _, g := range r.generations() {
		received, handlers := g.counters()
		counts := GenerationCounts{Generation: g.number, Received: map[string]uint64{}, Handlers: []HandlerCounts{}}
		for name, c := range received {
			counts.Received[name] = c.n.Load()
		}
		for _, key := range sortedKeys(handlers) {
			counts.Handlers = append(counts.Handlers, handlers[key].read(key))
		}
		all = append(all, counts)
	}
	return all
}

// read returns the present counts of a handler.
func (h *Handler) read(key handlerKey) HandlerCounts {
	counts := HandlerCounts{
		Kind: key.kind, Name: key.name, Errors: h.failed.Load(), Seconds: time.Duration(h.total.Load()).Seconds(),
		Buckets: make([]uint64, len(h.counts)),
	}
	for i := range h.counts {
		counts.Buckets[i] = h.counts[i].Load()
		counts.Runs += counts.Buckets[i]
	}
	return counts
}

// generations returns the generations that are part of the metrics, in their order.
func (r *Registry) generations() []*Generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Keys(r.registered), func(a, b *Generation) int { return cmp.Compare(a.number, b.number) })
}

// counters returns the counters of all messages and handlers.
func (g *Generation) counters() (received map[string]*Counter, handlers map[handlerKey]*Handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.received), maps.Clone(g.handlers)
}

func sortedKeys(handlers map[handlerKey]*Handler) []handlerKey {
	return slices.SortedFunc(maps.Keys(handlers), func(a, b handlerKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
}
