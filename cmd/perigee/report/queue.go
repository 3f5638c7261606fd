package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"perigee/engine/console"
	"perigee/engine/queue"
)

// Queue is the output of queue stats --json, a stable format for programs.
type Queue struct{ console.Counts }

// NewQueue reports how many jobs a queue has in each state.
func NewQueue(name string, c queue.Counts) Queue { return Queue{console.NewCounts(name, c)} }

// String is the output for people.
func (r Queue) String() string {
	text := fmt.Sprintf("queue\t%s\nready\t%d\ndelayed\t%d\nreserved\t%d\nburied\t%d\n",
		r.Queue, r.Ready, r.Delayed, r.Reserved, r.Buried)
	if r.Waiting != queue.UnknownWaiting {
		text += fmt.Sprintf("waiting\t%d\n", r.Waiting)
	}
	if r.Counts == (console.Counts{Queue: r.Queue}) {
		text += "note\tno server or worker uses a queue with this name\n"
	}
	return text
}

// Job is the output of queue peek --json, a stable format for programs.
type Job struct{ console.Job }

// NewJob reports a job in the queue.
func NewJob(job queue.Job, stats queue.Stats) Job { return Job{console.NewJob(job, stats)} }

// String is the output for people. It escapes a body that is not safe for terminals.
func (r Job) String() string {
	var w strings.Builder
	fmt.Fprintf(&w, "job\t%d\nqueue\t%s\nstate\t%s\npriority\t%d\n", r.Job.Job, r.Queue, r.State, r.Priority)
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
