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

// maxJobs bounds the jobs that Work does at once: jobs may push others.
const maxJobs = 10_000

// Job is one that the scripts have pushed and that has not been taken.
type Job struct {
	module.Push
	id  uint64
	due time.Time
}

// push keeps a job of the scripts until the spec has it done. It is called on the loop.
func (s *Server) push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	s.lastJob++
	s.jobs = append(s.jobs, Job{Push: p, id: s.lastJob, due: s.clock.Now().Add(p.Delay)})
	done(s.lastJob, nil)
	return func() {}
}

// Waiting returns the jobs in the order in which they would be taken: the most urgent first, and among those the oldest.
func (s *Server) Waiting() []Job {
	return slices.SortedStableFunc(slices.Values(s.jobs), func(a, b Job) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.id, b.id))
	})
}

// next takes the first job that is due.
func (s *Server) next() (Job, bool) {
	for _, j := range s.Waiting() {
		if !j.due.After(s.clock.Now()) {
			s.jobs = slices.DeleteFunc(s.jobs, func(other Job) bool { return other.id == j.id })
			return j, true
		}
	}
	return Job{}, false
}

// Work does all jobs that are due, and those that they push, and returns how many. A job that fails is a failure of the
// scripts, and is not tried again.
func (s *Server) Work() (count int, err error) {
	for ; count < maxJobs; count++ {
		j, ok := s.next()
		if !ok {
			return count, nil
		}
		ended := make(chan error, 1)
		s.manager.Job(context.Background(), queue.Job{ID: j.id, Command: j.Command, Arguments: j.Arguments, Attempt: 1},
			func(err error) { ended <- err })
		if err := s.rest(); err != nil {
			return count, err
		}
		select {
		case err := <-ended:
			if errors.Is(err, queue.ErrPermanent) { // which no handler has reported
				s.journal.add(fmt.Errorf("job %s: %w", j.Command, err))
			}
		default: // it waits for something that the clock has yet to bring
		}
	}
	return count, errRestless
}
