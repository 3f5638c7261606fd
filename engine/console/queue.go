package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"perigee/engine/jobqueue"
	"perigee/engine/logging"
	"perigee/engine/queue"
)

// Jobs count the jobs of a server since the scripts have last called server.work.
type Jobs struct {
	Queue       string `json:"queue"`
	Condition   string `json:"condition"`
	Held        int    `json:"held"`        // now
	Begun       uint64 `json:"begun"`       // runs
	Done        uint64 `json:"done"`        // jobs
	Released    uint64 `json:"released"`    // failures after which the job is retried
	Buried      uint64 `json:"buried"`      // permanent failures
	GivenBack   uint64 `json:"given_back"`  // returned to the queue unfinished when the worker stopped
	Repeated    uint64 `json:"repeated"`    // jobs that came again although they had run, and were deleted
	Disconnects uint64 `json:"disconnects"` // lost connections to the queue
}

// NewJobs reports the jobs of a server.
func NewJobs(s jobqueue.Status) Jobs {
	w := s.Worker
	return Jobs{
		Queue: s.Queue, Condition: s.Condition, Held: w.Held, Begun: w.Taken, Done: w.Done, Released: w.Released,
		Buried: w.Buried, GivenBack: w.GivenBack, Repeated: w.Redelivered, Disconnects: w.ConnectionsLost,
	}
}

// Counts are the numbers of jobs in a queue.
type Counts struct {
	Queue    string `json:"queue"`
	Ready    int    `json:"ready"`
	Delayed  int    `json:"delayed"`
	Reserved int    `json:"reserved"`
	Buried   int    `json:"buried"`
	Waiting  int    `json:"waiting"` // workers that wait for jobs; -1 if the service does not count them
}

// NewCounts reports how many jobs a queue has in each state.
func NewCounts(name string, c queue.Counts) Counts {
	return Counts{Queue: name, Ready: c.Ready, Delayed: c.Delayed, Reserved: c.Reserved, Buried: c.Buried, Waiting: c.Waiting}
}

// Job is a job in the queue.
type Job struct {
	Job      uint64 `json:"job"`
	Queue    string `json:"queue"`
	State    string `json:"state"`
	Priority uint32 `json:"priority"`
	Age      int    `json:"age"`      // seconds; -1 if the service does not keep it
	Reserves int    `json:"reserves"` // how often a worker has reserved it
	Releases int    `json:"releases"`
	Reason   string `json:"reason,omitempty"` // why it is buried, if the service keeps that
	Body     string `json:"body"`
}

// NewJob reports a job in the queue, with its secrets.
func NewJob(job queue.Job, stats queue.Stats) Job {
	return Job{
		Job: job.ID, Queue: stats.Queue, State: stats.State, Priority: stats.Priority, Age: int(stats.Age / time.Second),
		Reserves: stats.Reserves, Releases: stats.Releases, Reason: stats.Reason, Body: string(job.Body),
	}
}

// JobFailure is a failed attempt of a job.
type JobFailure struct {
	Job     uint64    `json:"job"`
	Command string    `json:"command"` // "" if the body could not be read
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
	Buried  bool      `json:"buried"` // otherwise it is retried
	Reason  string    `json:"reason"`
}

// NewJobFailure reports a failed attempt of a job.
func NewJobFailure(f queue.Failure) JobFailure {
	return JobFailure{Job: f.ID, Command: f.Command, Attempt: f.Attempt, Time: f.Time, Buried: f.Buried, Reason: f.Reason}
}

// Queue is the answer to GET queue.
type Queue struct {
	Jobs Jobs `json:"jobs"`
	// Counts are those of the service; nil if it does not answer, and Problem says why.
	Counts  *Counts      `json:"counts"`
	Problem string       `json:"problem,omitempty"`
	Failed  []JobFailure `json:"failed"` // the latest 100, latest first
}

func (c *Console) queue(r *http.Request) (any, error) {
	s := c.options.Server
	answer := Queue{Jobs: NewJobs(s.Jobs()), Failed: []JobFailure{}}
	for _, f := range slices.Backward(s.FailedJobs()) {
		f.Reason = c.redactor().Text(f.Reason)
		answer.Failed = append(answer.Failed, NewJobFailure(f))
	}
	err := c.withQueue(r.Context(), func(ctx context.Context, admin queue.Admin, name string) error {
		counts, err := admin.Counts(ctx, name)
		if err == nil {
			shown := NewCounts(name, counts)
			answer.Counts = &shown
		}
		return err
	})
	if err != nil {
		answer.Problem = c.redactor().Text(err.Error())
	}
	return answer, nil
}

// withQueue has ask ask the queue service.
func (c *Console) withQueue(ctx context.Context, ask func(ctx context.Context, admin queue.Admin, name string) error) error {
	admin, name, err := c.options.Server.Queue()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	return ask(ctx, admin, name)
}

// job answers with the next job in a state, or with the one that has a number.
func (c *Console) job(r *http.Request) (any, error) {
	state, number := queue.State(r.FormValue("state")), r.FormValue("id")
	id, badNumber := strconv.ParseUint(number, 10, 64)
	isState := state == queue.Ready || state == queue.Delayed || state == queue.Buried
	if isState == (number != "") || number != "" && badNumber != nil {
		return nil, invalid("state must be ready, delayed or buried, or id the number of a job")
	}
	var shown Job
	err := c.withQueue(r.Context(), func(ctx context.Context, admin queue.Admin, name string) (err error) {
		var job queue.Job
		var stats queue.Stats
		if isState {
			job, stats, err = admin.Peek(ctx, name, state)
		} else {
			job, stats, err = admin.PeekJob(ctx, name, id)
		}
		shown = NewJob(job, stats)
		shown.Body = c.redactor().Show(job.Body, logging.MaxValue, len(job.Body))
		shown.Reason = c.redactor().Text(stats.Reason)
		return err
	})
	return shown, err
}

// Kicked is the answer to POST queue/kick.
type Kicked struct {
	Kicked int `json:"kicked"`
}

// kick makes buried jobs ready, or the one that has a number.
func (c *Console) kick(r *http.Request) (any, error) {
	var given struct {
		N  int    `json:"n"`
		ID uint64 `json:"id"`
	}
	if err := read(r, &given); err != nil {
		return nil, err
	}
	if (given.N > 0) == (given.ID > 0) || given.N < 0 {
		return nil, invalid("n must be a number of jobs, or id the number of one")
	}
	kicked := Kicked{1}
	err := c.withQueue(r.Context(), func(ctx context.Context, admin queue.Admin, name string) (err error) {
		if given.ID > 0 {
			return admin.KickJob(ctx, name, given.ID)
		}
		kicked.Kicked, err = admin.Kick(ctx, name, given.N)
		return err
	})
	if err == nil {
		c.audit(r.Context(), "kick", "job", given.ID, "jobs", kicked.Kicked)
	}
	return kicked, err
}

// delete deletes a job that no worker has reserved.
func (c *Console) delete(r *http.Request) (any, error) {
	var given struct {
		ID uint64 `json:"id"`
	}
	if err := read(r, &given); err != nil {
		return nil, err
	}
	err := c.withQueue(r.Context(), func(ctx context.Context, admin queue.Admin, name string) error {
		return admin.Delete(ctx, name, given.ID)
	})
	if err == nil {
		c.audit(r.Context(), "delete", "job", given.ID)
	}
	return struct{}{}, err
}
