package engine

import (
	"context"
	"fmt"

	"perigee/engine/jobqueue"
	"perigee/engine/queue"
)

// Ready tells whether new clients are welcome, as /readyz does.
func (s *Server) Ready() bool { return s.ready.Load() }

// Generation returns the number of the scripts that run.
func (s *Server) Generation() int { return s.manager.Generation() }

// Connections returns how many clients are connected.
func (s *Server) Connections() int { return s.broker.Count() }

// Jobs tells how the jobs are.
func (s *Server) Jobs() jobqueue.Status { return s.jobs.Status() }

// FailedJobs returns the jobs that failed last, the oldest first.
func (s *Server) FailedJobs() []queue.Failure { return s.jobs.Failed() }

// PutJob puts a job on the server's queue, which with queue.driver "memory" nobody else can.
func (s *Server) PutJob(ctx context.Context, p queue.PutRequest) (id uint64, err error) {
	return s.jobs.Put(ctx, p)
}

// Responds waits until the loop has taken a turn: as long as a script holds it, at most until ctx ends. Nil says that
// everything else gets its turn too.
func (s *Server) Responds(ctx context.Context) error {
	taken := make(chan struct{}) // closed by the turn
	if err := s.loop.Post("responds", func() { close(taken) }); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	select {
	case <-taken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
