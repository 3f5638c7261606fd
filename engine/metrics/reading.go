package metrics

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reading is what the parts of a server say of themselves at one moment; counts are since the start.
type Reading struct {
	Connections int
	Opened      uint64
	Closed      map[string]uint64 // by close code
	Refused     map[string]uint64 // connections that never opened, by the reason
	SendQueues  int64             // bytes

	AuthFailures map[string]uint64 // by the door that stayed closed

	LoopQueued int
	LoopSlow   uint64
	Waiting    int // handlers

	Generation int
	Reloads    map[string]uint64 // by the result
	Pause      time.Duration     // of the last swap; 0 where there was none

	JobsBegun      uint64
	JobsSettled    map[Settled]uint64
	JobsInHand     int
	QueueWanted    bool // the scripts have jobs taken
	QueueConnected bool
	QueueLost      uint64 // connections that ended unasked

	Saves      map[string]uint64 // of the state to its file, by the result
	Unsaveable int               // states that stay in the file as they were
}

// Settled is what became of jobs. Reason says why, where they are buried.
type Settled struct{ Outcome, Reason string }

// gauge and counter are what a value of a Reading is to Prometheus.
const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// collect tells what was read.
func (r Reading) collect(to chan<- prometheus.Metric) {
	single := func(kind prometheus.ValueType, name, help string, value float64) {
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), kind, value)
	}
	each := func(name, help, label string, counts map[string]uint64) {
		desc := prometheus.NewDesc(name, help, []string{label}, nil)
		for _, value := range slices.Sorted(maps.Keys(counts)) {
			to <- prometheus.MustNewConstMetric(desc, counter, float64(counts[value]), value)
		}
	}
	single(gauge, "perigee_connections", "Connections that are open or in their handshake.", float64(r.Connections))
	single(counter, "perigee_connections_opened_total", "Connections that were opened.", float64(r.Opened))
	each("perigee_connections_closed_total", "Connections that were closed, by close code: 1006 is one that just ended, 3xxx and 4xxx are other codes of applications.", "code", r.Closed)
	each("perigee_connections_refused_total", "Connections that were refused, by the reason.", "reason", r.Refused)
	single(gauge, "perigee_send_queue_bytes", "Bytes that wait to be sent to clients that take them slowly.", float64(r.SendQueues))
	each("perigee_auth_failures_total", "Keys that were wrong or not even looked at, by who sent them.", "from", r.AuthFailures)

	single(gauge, "perigee_loop_queued_turns", "Turns that are to be taken after the present one.", float64(r.LoopQueued))
	single(counter, "perigee_loop_slow_turns_total", "Turns that held the loop for longer than lua.slow_turn.", float64(r.LoopSlow))
	single(gauge, "perigee_handlers_waiting", "Handlers that wait for a timer, an answer or a promise.", float64(r.Waiting))

	single(gauge, "perigee_generation", "Number of the set of scripts that runs: 1 at the start, one more with each reload.", float64(r.Generation))
	each("perigee_reloads_total", "Reloads by result.", "result", r.Reloads)
	single(gauge, "perigee_reload_pause_seconds", "For how long the last reload kept everything else from running.", r.Pause.Seconds())

	single(counter, "perigee_jobs_begun_total", "Runs of jobs that have begun.", float64(r.JobsBegun))
	r.collectSettled(to)
	single(gauge, "perigee_jobs_in_hand", "Jobs that are reserved: those that run, and those that are next.", float64(r.JobsInHand))
	single(gauge, "perigee_queue_wanted", "1 where the scripts have jobs taken, else 0.", truth(r.QueueWanted))
	single(gauge, "perigee_queue_connected", "1 while jobs are taken and the queue service answers, else 0.", truth(r.QueueConnected))
	single(counter, "perigee_queue_disconnects_total", "Connections to the queue service that were lost.", float64(r.QueueLost))

	each("perigee_state_saves_total", "Saves of server.state to its file by result; an unchanged state is not saved.", "result", r.Saves)
	single(gauge, "perigee_state_unsaveable", "Tables of server.state that cannot be saved and stay in the file as they were.", float64(r.Unsaveable))
}

func (r Reading) collectSettled(to chan<- prometheus.Metric) {
	desc := prometheus.NewDesc("perigee_jobs_settled_total", "Jobs by what became of a run, and of those that are buried why.",
		[]string{"outcome", "reason"}, nil)
	for settled, n := range r.JobsSettled {
		to <- prometheus.MustNewConstMetric(desc, counter, float64(n), settled.Outcome, settled.Reason)
	}
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
