package console

import (
	"net/http"
	"runtime/metrics"
	"time"

	counts "perigee/engine/metrics"
)

// Overview is the answer to GET overview. Counts are since the start; rates are the differences of two answers.
type Overview struct {
	Now        time.Time `json:"now"`
	Started    time.Time `json:"started"`
	Version    string    `json:"version"`
	Revision   string    `json:"revision"`
	Ready      bool      `json:"ready"` // accepts new clients, as in /readyz
	Generation int       `json:"generation"`
	Actions    bool      `json:"actions"` // console.actions

	Connections  Connections       `json:"connections"`
	Loop         Loop              `json:"loop"`
	Jobs         Jobs              `json:"jobs"`
	Reloads      map[string]uint64 `json:"reloads"` // by result: done, failed
	Saves        map[string]uint64 `json:"saves"`   // of the state, by result: done, failed
	Unsaveable   int               `json:"unsaveable"`
	AuthFailures map[string]uint64 `json:"auth_failures"` // by sender: client, program
	Failures     int               `json:"failures"`      // that GET failures lists

	// Bounds are the upper bounds of the buckets of all handlers, in seconds.
	Bounds      []float64                 `json:"bounds"`
	Generations []counts.GenerationCounts `json:"generations"`
	Process     Process                   `json:"process"`
}

// Connections count the connections.
type Connections struct {
	Open           int               `json:"open"` // with those in their handshake
	Away           int               `json:"away"`
	Opened         uint64            `json:"opened"`
	Closed         map[string]uint64 `json:"closed"`  // by close code
	Refused        map[string]uint64 `json:"refused"` // by reason
	Resumes        map[string]uint64 `json:"resumes"` // by result
	SendQueueBytes int64             `json:"send_queue_bytes"`
	ResumeBytes    int64             `json:"resume_bytes"`
	HistoryBytes   int64             `json:"history_bytes"`
}

// Loop counts what runs on the loop.
type Loop struct {
	QueuedTurns     int    `json:"queued_turns"`
	SlowTurns       uint64 `json:"slow_turns"`
	WaitingHandlers int    `json:"waiting_handlers"`
}

// Process has what the process uses.
type Process struct {
	HeapBytes   uint64 `json:"heap_bytes"`   // objects, those included that the next garbage collection removes
	MemoryBytes uint64 `json:"memory_bytes"` // that the runtime has from the system
	Goroutines  uint64 `json:"goroutines"`
}

func (c *Console) overview(*http.Request) (any, error) {
	s := c.options.Server
	figures, generations := s.Figures()
	o := Overview{
		Now: time.Now(), Started: s.Started(), Version: figures.Version, Revision: figures.Revision, Ready: s.Ready(),
		Generation: figures.Generation, Actions: c.settings.Load().Actions,
		Connections: Connections{
			Open: figures.Connections, Away: figures.Away, Opened: figures.Opened, Closed: figures.Closed, Refused: figures.Refused,
			Resumes: figures.Resumes, SendQueueBytes: figures.SendQueueBytes, ResumeBytes: figures.ResumeBytes, HistoryBytes: figures.HistoryBytes,
		},
		Loop:    Loop{QueuedTurns: figures.QueuedTurns, SlowTurns: figures.SlowTurns, WaitingHandlers: figures.WaitingHandlers},
		Jobs:    NewJobs(s.Jobs()),
		Reloads: figures.Reloads, Saves: figures.Saves, Unsaveable: figures.UnsaveableTables, AuthFailures: figures.AuthFailures,
		Failures: len(c.options.Failures.List()), Generations: generations, Process: usage(),
	}
	for _, bound := range counts.Bounds() {
		o.Bounds = append(o.Bounds, bound.Seconds())
	}
	return o, nil
}

// usage returns what the process uses, without stopping it.
func usage() Process {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	return Process{HeapBytes: samples[0].Value.Uint64(), MemoryBytes: samples[1].Value.Uint64(), Goroutines: samples[2].Value.Uint64()}
}
