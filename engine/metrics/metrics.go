// Package metrics is what operators watch, in the text format of Prometheus. It owns the names of all metrics, counts what
// handlers of scripts do, and asks for the rest when somebody reads. It does not know the parts of the server, nor who may
// read.
package metrics

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxReaders is how many may read at once: Prometheus is one, a second one of it and a person are two more. Others are
// answered with 503.
const maxReaders = 4

// Registry has all metrics of a server. Any goroutine may use it. A nil Registry counts nothing.
type Registry struct {
	// Set by New, never changed.
	read func() Reading
	page http.Handler

	// Guarded by mu.
	mu    sync.Mutex
	shown map[*Generation]struct{}
}

// New returns the metrics of one server. read is called by any goroutine, once for each time that somebody reads; it must
// not wait for a script.
func New(read func() Reading, log *slog.Logger) *Registry {
	r := &Registry{read: read, shown: map[*Generation]struct{}{}}
	all := prometheus.NewRegistry()
	all.MustRegister(r, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.page = promhttp.HandlerFor(all, promhttp.HandlerOpts{
		ErrorLog:            faults{log},
		ErrorHandling:       promhttp.ContinueOnError, // one that cannot be told is no reason to tell nothing
		MaxRequestsInFlight: maxReaders,
	})
	return r
}

// ServeHTTP answers with all metrics as they are, in the format that the request asks for.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r.page.ServeHTTP(w, request)
}

// Describe implements prometheus.Collector. Which metrics there are depends on the scripts: it describes none.
func (*Registry) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r *Registry) Collect(to chan<- prometheus.Metric) {
	r.read().collect(to)
	r.mu.Lock()
	shown := slices.Collect(maps.Keys(r.shown))
	r.mu.Unlock()
	for _, g := range shown {
		g.collect(to)
	}
}

// faults logs what the library could not tell.
type faults struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (f faults) Println(values ...any) {
	f.log.Error("metrics: some cannot be read", "error", fmt.Sprint(values...))
}
