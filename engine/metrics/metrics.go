// Package metrics owns the names of all metrics, counts what the handlers of scripts do, and writes everything in the text
// format of Prometheus when it is asked. It must not know the parts of the server that its figures come from, nor who may
// read them.
package metrics

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"sync"

	process "github.com/VictoriaMetrics/metrics"
)

// maxReaders is how many requests are answered at the same time: Prometheus is one, a second Prometheus and a person are two
// more. Further requests are answered with 503.
const maxReaders = 4

// contentType is the text format of Prometheus in its version 0.0.4.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// Registry has all metrics of a server. It is safe for concurrent use. A nil Registry counts nothing.
type Registry struct {
	// Set by New, never changed.
	snapshot func() Snapshot
	readers  chan struct{} // a semaphore; ServeHTTP sends and receives, it is never closed

	// Guarded by mu.
	mu         sync.Mutex
	registered map[*Generation]struct{}
}

// New returns the metrics of one server. Each request calls snapshot once, from any goroutine; it must not wait for a script.
func New(snapshot func() Snapshot) *Registry {
	process.ExposeMetadata(true) // TYPE lines for the metrics of the runtime and the process
	return &Registry{
		snapshot: snapshot, readers: make(chan struct{}, maxReaders), registered: map[*Generation]struct{}{},
	}
}

// ServeHTTP answers with the present values of all metrics.
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	select {
	case r.readers <- struct{}{}:
		defer func() { <-r.readers }()
	default:
		http.Error(w, "too many requests for the metrics at the same time", http.StatusServiceUnavailable)
		return
	}
	var page bytes.Buffer
	process.WriteGoMetrics(&page)
	for _, f := range r.families() {
		f.write(&page)
	}
	process.WriteProcMetrics(&page)
	process.WriteFDMetrics(&page)
	header.Set("Content-Type", contentType)
	_, _ = page.WriteTo(w) // the reader has gone
}

// families returns the server's own metrics, sorted by name.
func (r *Registry) families() []*family {
	snapshot := r.snapshot()
	all := append(snapshot.families(), handlerFamilies(r.generations())...)
	slices.SortFunc(all, func(a, b *family) int { return cmp.Compare(a.name, b.name) })
	return all
}
