package engine

import (
	"sync/atomic"
	"time"

	"perigee/engine/metrics"
	"perigee/engine/queue"
)

// counts are the counters that belong to no component. They are safe for concurrent use.
type counts struct {
	slowTurns, reloads, failedReloads atomic.Uint64
	pause                             atomic.Int64 // of the last swap, in nanoseconds
}

// metricsSnapshot asks all components for their figures. None of them waits for the loop, which a script may hold. It is safe for
// concurrent use.
func (s *Server) metricsSnapshot() metrics.Snapshot {
	connections, jobs, status := s.broker.Counts(), s.jobs.Counters(), s.jobs.Status()
	clients, programs := s.manager.AuthFailures()
	saves, refused, faults := s.saver.Counts()
	return metrics.Snapshot{
		Version:          s.options.Version,
		Revision:         s.options.Revision,
		Connections:      s.broker.Count(),
		Away:             s.manager.Away(),
		Resumes:          s.manager.Resumes(),
		Opened:           connections.Opened,
		Closed:           connections.Closed,
		Refused:          connections.Refused,
		SendQueueBytes:   connections.Queued,
		ResumeBytes:      connections.Kept,
		HistoryBytes:     s.manager.HistoryBytes(),
		AuthFailures:     map[string]uint64{"client": clients, "program": programs},
		QueuedTurns:      s.loop.Queued(),
		SlowTurns:        s.counts.slowTurns.Load(),
		WaitingHandlers:  s.loop.Waiting(),
		Generation:       s.manager.Generation(),
		Reloads:          map[string]uint64{"done": s.counts.reloads.Load(), "failed": s.counts.failedReloads.Load()},
		ReloadPause:      time.Duration(s.counts.pause.Load()),
		JobsBegun:        jobs.Taken,
		JobOutcomes:      jobOutcomes(jobs),
		JobsReserved:     jobs.Held,
		QueueWanted:      status.Taking,
		QueueConnected:   status.Taking && status.Worker.Connected,
		QueueLost:        jobs.ConnectionsLost,
		Saves:            map[string]uint64{"done": saves, "failed": refused},
		UnsaveableTables: faults,
	}
}

// jobOutcomes returns how the runs of jobs ended.
func jobOutcomes(t queue.Counters) map[metrics.JobOutcome]uint64 {
	all := map[metrics.JobOutcome]uint64{
		{Outcome: "done"}: t.Done, {Outcome: "released"}: t.Released, {Outcome: "given_back"}: t.GivenBack, {Outcome: "repeated"}: t.Redelivered,
	}
	for cause, n := range t.BuriedFor {
		all[metrics.JobOutcome{Outcome: "buried", Reason: queue.BuryReason(cause).String()}] = n
	}
	return all
}
