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
		QueueWanted:    now.Taken,
		QueueConnected: now.Taken && now.Worker.Connected,
		QueueLost:      jobs.Lost,
		Saves:          map[string]uint64{"done": saves, "failed": refused},
		Unsaveable:     faults,
	}
}

// settled is what became of jobs.
func settled(s queue.Status) map[metrics.Settled]uint64 {
	all := map[metrics.Settled]uint64{
		{Outcome: "done"}: s.Done, {Outcome: "released"}: s.Released, {Outcome: "given_back"}: s.GivenBack, {Outcome: "repeated"}: s.Repeated,
	}
	for reason, n := range s.BuriedFor {
		all[metrics.Settled{Outcome: "buried", Reason: queue.Reason(reason).String()}] = n
	}
	return all
}
