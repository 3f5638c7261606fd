package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"perigee/engine/queue"
	"perigee/engine/script/module"
)

// maxJobs is the maximum number of jobs in one RunJobs, since jobs may push others.
const maxJobs = 10_000

// Job is a job that the scripts or the spec have put and that has not run.
type Job struct {
	module.Push
	Body  []byte // of a job that the spec has put; nil if the scripts have pushed it
	Queue string // of a job that the spec has put
	id    uint64
	due   time.Time
}

// push keeps a job of the scripts until RunJobs. It is called on the loop.
func (s *Server) push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	s.lastJob++
	s.jobs = append(s.jobs, Job{Push: p, id: s.lastJob, due: s.clock.Now().Add(p.Delay)})
	done(s.lastJob, nil)
	return func() {}
}

// PutJob puts a job as another program does.
func (s *Server) PutJob(body []byte, tube string) {
	s.lastJob++
	s.jobs = append(s.jobs, Job{
		Push: module.Push{Priority: queue.DefaultPriority}, Body: body, Queue: tube, id: s.lastJob, due: s.clock.Now(),
	})
}

// read returns a job as the queue's worker hands it to the manager.
func (s *Server) read(j Job) (queue.Job, error) {
	job := queue.Job{Command: j.Command, Arguments: j.Arguments}
	if j.Body != nil {
		read, err := queue.ReadBody(j.Body, s.commands)
		if err != nil {
			return job, err
		}
		job = read.Job
	}
	job.ID, job.Queue, job.Attempt = j.id, j.Queue, 1
	job.SetCommand = func(string) {}
	return job, nil
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
		job, err := s.read(j)
		if err != nil {
			s.log.addError(fmt.Errorf("job: %w", err))
			continue
		}
		ended := make(chan error, 1)
		s.manager.Job(context.Background(), job, func(err error) { ended <- err })
		if err := s.runUntilIdle(); err != nil {
			return count, err
		}
		select {
		case err := <-ended:
			if errors.Is(err, queue.ErrPermanent) { // no handler has reported it
				s.log.addError(fmt.Errorf("%s: %w", strings.TrimSpace("job "+job.Command), err))
			}
		default: // it waits until the clock is advanced
		}
	}
	return count, errNotIdle
}
