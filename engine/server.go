package engine

import (
	"context"
	"fmt"
	"time"

	"perigee/engine/jobqueue"
	"perigee/engine/queue"
	"perigee/engine/trace"
)

// Ready reports whether the server accepts clients, as /readyz does.
func (s *Server) Ready() bool { return s.ready.Load() }

// Generation returns the number of the scripts that run.
func (s *Server) Generation() int { return s.manager.Generation() }

// Connections returns how many clients are connected.
func (s *Server) Connections() int { return s.broker.Count() }

// Away returns how many connections are away: their clients have lost them and may come back.
func (s *Server) Away() int { return s.manager.Away() }

// Trace begins a trace of the messages that the filter selects. It ends after limit, unless that is 0.
func (s *Server) Trace(f trace.Filter, limit time.Duration) (*trace.Tap, error) {
	return s.manager.Trace(f, limit)
}

// Jobs returns the status of the queue and its jobs.
func (s *Server) Jobs() jobqueue.Status { return s.jobs.Status() }

// FailedJobs returns the latest failed jobs, the oldest first.
func (s *Server) FailedJobs() []queue.Failure { return s.jobs.Failed() }

// PutJob puts a job on the queue of the server. With queue.driver "memory" there is no other way.
func (s *Server) PutJob(ctx context.Context, p queue.PutRequest) (id uint64, err error) {
	return s.jobs.Put(ctx, p)
}

// Responds waits until the loop has run a turn, which a script can delay, at most until ctx ends. It returns nil if the loop has
// run it.
func (s *Server) Responds(ctx context.Context) error {
	ran := make(chan struct{}) // closed by the turn
	if err := s.loop.Post("responds", func() { close(ran) }); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
