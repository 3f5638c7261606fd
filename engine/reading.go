package engine

import (
	"sync/atomic"
	"time"

	"perigee/engine/metrics"
	"perigee/engine/queue"
)

// counts are what no part of the server counts by itself. Any goroutine may use it.
type counts struct {
	slowTurns, reloads, failedReloads atomic.Uint64
	pause                             atomic.Int64 // of the last swap, in nanoseconds
}

// reading asks all parts for their metrics. None of them asks the loop, which a script may hold. Any goroutine may call it.
func (s *Server) reading() metrics.Reading {
	sockets, jobs, now := s.broker.Counts(), s.jobs.Counts(), s.jobs.Status()
	clients, programs := s.manager.AuthFailures()
	saves, refused, faults := s.keeper.Counts()
	return metrics.Reading{
		Connections:    s.broker.Count(),
		Opened:         sockets.Opened,
		Closed:         sockets.Closed,
		Refused:        sockets.Refused,
		SendQueues:     sockets.Queued,
		AuthFailures:   map[string]uint64{"client": clients, "program": programs},
		LoopQueued:     s.loop.Queued(),
		LoopSlow:       s.counts.slowTurns.Load(),
		Waiting:        s.loop.Waiting(),
		Generation:     s.manager.Generation(),
		Reloads:        map[string]uint64{"done": s.counts.reloads.Load(), "failed": s.counts.failedReloads.Load()},
		Pause:          time.Duration(s.counts.pause.Load()),
		JobsBegun:      jobs.Taken,
		JobsSettled:    settled(jobs),
		JobsInHand:     jobs.Held,
		QueueWanted:    now.Taking,
		QueueConnected: now.Taking && now.Worker.Connected,
		QueueLost:      jobs.Lost,
		Saves:          map[string]uint64{"done": saves, "failed": refused},
		Unsaveable:     faults,
	}
}

// settled is what became of jobs.
func settled(t queue.Tally) map[metrics.Settled]uint64 {
	all := map[metrics.Settled]uint64{
		{Outcome: "done"}: t.Done, {Outcome: "released"}: t.Released, {Outcome: "given_back"}: t.GivenBack, {Outcome: "repeated"}: t.Repeated,
	}
	for cause, n := range t.BuriedFor {
		all[metrics.Settled{Outcome: "buried", Reason: queue.Cause(cause).String()}] = n
	}
	return all
}
