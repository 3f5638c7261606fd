package metrics

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"time"
)

// Snapshot holds the figures of all parts of a server at one moment. Counts are since the start.
type Snapshot struct {
	Version, Revision string // of the program

	Connections    int
	Opened         uint64
	Closed         map[string]uint64 // by close code
	Refused        map[string]uint64 // connections that were never opened, by reason
	SendQueueBytes int64
	Away           int               // connections that are lost, and whose clients may come back
	Resumes        map[string]uint64 // clients that came back, by result
	ResumeBytes    int64             // kept for clients that are away
	HistoryBytes   int64

	AuthFailures map[string]uint64 // by sender: "client" or "program"

	QueuedTurns     int
	SlowTurns       uint64
	WaitingHandlers int

	Generation  int
	Reloads     map[string]uint64 // by result
	ReloadPause time.Duration     // of the last swap; 0 before the first

	JobsBegun      uint64
	JobOutcomes    map[JobOutcome]uint64
	JobsReserved   int
	QueueWanted    bool // the scripts take jobs
	QueueConnected bool
	QueueLost      uint64 // connections that the queue service ended, or that broke

	Saves            map[string]uint64 // of the state to its file, by result
	UnsaveableTables int               // tables of server.state that keep their old content in the file
}

// JobOutcome is how the run of a job ended. Reason says why a job was buried.
type JobOutcome struct{ Outcome, Reason string }

func (s *Snapshot) families() []*family {
	var all []*family
	add := func(kind, name, help string) *family {
		f := &family{name: name, kind: kind, help: help}
		all = append(all, f)
		return f
	}
	single := func(kind, name, help string, value float64) { add(kind, name, help).add("", value) }
	each := func(name, help, by string, counts map[string]uint64) {
		f := add(counter, name, help)
		for _, value := range slices.Sorted(maps.Keys(counts)) {
			f.add("", float64(counts[value]), label{by, value})
		}
	}
	add(gauge, "perigee_build_info", "1, with the version of the program as labels.").
		add("", 1, label{"version", s.Version}, label{"revision", s.Revision}, label{"goversion", runtime.Version()})
	single(gauge, "perigee_connections", "Connections that are open or in their handshake.", float64(s.Connections))
	single(counter, "perigee_connections_opened_total", "Connections that were opened.", float64(s.Opened))
	each("perigee_connections_closed_total", "Connections that were closed, by close code: 1006 is one that just ended, 3xxx and 4xxx are other codes of applications.", "code", s.Closed)
	each("perigee_connections_refused_total", "Connections that were refused, by the reason.", "reason", s.Refused)
	single(gauge, "perigee_send_queue_bytes", "Bytes that wait to be sent to clients that take them slowly.", float64(s.SendQueueBytes))
	single(gauge, "perigee_connections_away", "Connections that are lost and that their clients may resume.", float64(s.Away))
	each("perigee_resumes_total", "Clients that came back to a connection, by result: complete, incomplete if they could not be sent all that they had missed, unknown if it was over.", "result", s.Resumes)
	single(gauge, "perigee_resume_bytes", "Memory that is kept for clients that are away and may come back, in bytes; a message for several clients counts for each.", float64(s.ResumeBytes))
	single(gauge, "perigee_history_bytes", "Bytes of messages that topics keep for later subscribers.", float64(s.HistoryBytes))
	each("perigee_auth_failures_total", "Keys that were wrong or not even looked at, by who sent them.", "from", s.AuthFailures)

	single(gauge, "perigee_loop_queued_turns", "Turns that are to be taken after the present one.", float64(s.QueuedTurns))
	single(counter, "perigee_loop_slow_turns_total", "Turns that held the loop for longer than lua.slow_turn.", float64(s.SlowTurns))
	single(gauge, "perigee_handlers_waiting", "Handlers that wait for a timer, an answer or a promise.", float64(s.WaitingHandlers))

	single(gauge, "perigee_generation", "Number of the set of scripts that runs: 1 at the start, one more with each reload.", float64(s.Generation))
	each("perigee_reloads_total", "Reloads by result.", "result", s.Reloads)
	single(gauge, "perigee_reload_pause_seconds", "For how long the last reload kept everything else from running.", s.ReloadPause.Seconds())

	single(counter, "perigee_jobs_begun_total", "Runs of jobs that have begun.", float64(s.JobsBegun))
	s.addOutcomes(add(counter, "perigee_jobs_settled_total", "Jobs by what became of a run, and of those that are buried why."))
	single(gauge, "perigee_jobs_in_hand", "Jobs that are reserved: those that run, and those that are next.", float64(s.JobsReserved))
	single(gauge, "perigee_queue_wanted", "1 where the scripts have jobs taken, else 0.", oneIf(s.QueueWanted))
	single(gauge, "perigee_queue_connected", "1 while jobs are taken and the queue service answers, else 0.", oneIf(s.QueueConnected))
	single(counter, "perigee_queue_disconnects_total", "Connections to the queue service that were lost.", float64(s.QueueLost))

	each("perigee_state_saves_total", "Saves of server.state to its file by result; an unchanged state is not saved.", "result", s.Saves)
	single(gauge, "perigee_state_unsaveable", "Tables of server.state that cannot be saved and stay in the file as they were.", float64(s.UnsaveableTables))
	return all
}

func (s *Snapshot) addOutcomes(f *family) {
	outcomes := slices.SortedFunc(maps.Keys(s.JobOutcomes), func(a, b JobOutcome) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	for _, o := range outcomes {
		f.add("", float64(s.JobOutcomes[o]), label{"outcome", o.Outcome}, label{"reason", o.Reason})
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
