package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"perigee/engine/queue"
)

// Queue is the output of queue stats --json, a stable format for programs.
type Queue struct {
	Queue    string `json:"queue"`
	Ready    int    `json:"ready"`
	Delayed  int    `json:"delayed"`
	Reserved int    `json:"reserved"`
	Buried   int    `json:"buried"`
	Waiting  int    `json:"waiting"` // workers that wait for jobs; -1 if the service does not count them
}

// NewQueue reports how many jobs a queue has in each state.
func NewQueue(name string, c queue.Counts) Queue {
	return Queue{Queue: name, Ready: c.Ready, Delayed: c.Delayed, Reserved: c.Reserved, Buried: c.Buried, Waiting: c.Waiting}
}

// String is the output for people.
func (r Queue) String() string {
	text := fmt.Sprintf("queue\t%s\nready\t%d\ndelayed\t%d\nreserved\t%d\nburied\t%d\n",
		r.Queue, r.Ready, r.Delayed, r.Reserved, r.Buried)
	if r.Waiting != queue.UnknownWaiting {
		text += fmt.Sprintf("waiting\t%d\n", r.Waiting)
	}
	if r == (Queue{Queue: r.Queue}) {
		text += "note\tno server or worker uses a queue with this name\n"
	}
	return text
}

// Job is the output of queue peek --json, a stable format for programs.
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

// NewJob reports a job in the queue.
func NewJob(job queue.Job, stats queue.Stats) Job {
	return Job{
		Job: job.ID, Queue: stats.Queue, State: stats.State, Priority: stats.Priority, Age: int(stats.Age / time.Second),
		Reserves: stats.Reserves, Releases: stats.Releases, Reason: stats.Reason, Body: string(job.Body),
	}
}

// String is the output for people. It escapes a body that is not safe for terminals.
func (r Job) String() string {
	var w strings.Builder
	fmt.Fprintf(&w, "job\t%d\nqueue\t%s\nstate\t%s\npriority\t%d\n", r.Job, r.Queue, r.State, r.Priority)
	if age := time.Duration(r.Age) * time.Second; age != queue.UnknownAge {
		fmt.Fprintf(&w, "age\t%s\n", age)
	}
	fmt.Fprintf(&w, "reserves\t%d\nreleases\t%d\n", r.Reserves, r.Releases)
	if r.Reason != "" {
		fmt.Fprintf(&w, "reason\t%s\n", strconv.Quote(r.Reason))
	}
	body := r.Body
	if !json.Valid([]byte(body)) {
		body = strconv.Quote(body)
	}
	fmt.Fprintf(&w, "body\t%s\n", body)
	return w.String()
}
