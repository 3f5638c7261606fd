package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"perigee/engine/queue"
	"perigee/engine/script/module"
)

// maxJobs is the maximum number of jobs in one RunJobs, since jobs may push others.
const maxJobs = 10_000

// Job is a job that the scripts have pushed and that has not run.
type Job struct {
	module.Push
	id  uint64
	due time.Time
}

// push keeps a job of the scripts until RunJobs. It is called on the loop.
func (s *Server) push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	s.lastJob++
	s.jobs = append(s.jobs, Job{Push: p, id: s.lastJob, due: s.clock.Now().Add(p.Delay)})
	done(s.lastJob, nil)
	return func() {}
}

// PendingJobs returns the jobs in the order in which they would run: by priority, then by age.
func (s *Server) PendingJobs() []Job {
	return slices.SortedStableFunc(slices.Values(s.jobs), func(a, b Job) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.id, b.id))
	})
}

// nextJob removes and returns the first job that is due.
func (s *Server) nextJob() (Job, bool) {
	for _, j := range s.PendingJobs() {
		if !j.due.After(s.clock.Now()) {
			s.jobs = slices.DeleteFunc(s.jobs, func(other Job) bool { return other.id == j.id })
			return j, true
		}
	}
	return Job{}, false
}

// RunJobs runs all jobs that are due, and those that they push, and returns their number. A failed job is an error of the
// scripts and is not retried.
func (s *Server) RunJobs() (count int, err error) {
	for ; count < maxJobs; count++ {
		j, ok := s.nextJob()
		if !ok {
			return count, nil
		}
		ended := make(chan error, 1)
		s.manager.Job(context.Background(), queue.Job{ID: j.id, Command: j.Command, Arguments: j.Arguments, Attempt: 1},
			func(err error) { ended <- err })
		if err := s.runUntilIdle(); err != nil {
			return count, err
		}
		select {
		case err := <-ended:
			if errors.Is(err, queue.ErrPermanent) { // no handler has reported it
				s.log.addError(fmt.Errorf("job %s: %w", j.Command, err))
			}
		default: // it waits until the clock is advanced
		}
	}
	return count, errNotIdle
}
