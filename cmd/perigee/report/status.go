// Package report is what the commands say of a server and its queue: for people, and as JSON, whose form is a promise to
// programs. It knows no command line, and writes nothing itself.
package report

import (
	"fmt"
	"strings"
	"time"

	"perigee/engine/jobqueue"
)

// Status is what a server says of itself, and what status --json writes: a promise to programs.
type Status struct {
	PID         int       `json:"pid"`
	Version     string    `json:"version"`
	Generation  int       `json:"generation"`
	Started     time.Time `json:"started"`
	Uptime      float64   `json:"uptime"` // seconds
	Connections int       `json:"connections"`
	Ready       bool      `json:"ready"`    // new clients are welcome, as /readyz says
	Responds    bool      `json:"responds"` // no script holds it
	Socket      string    `json:"socket"`   // URL

	Jobs Jobs `json:"jobs"`
}

// Jobs is how the jobs of a server are, counted since the scripts asked for them as they are taken now.
type Jobs struct {
	Queue       string `json:"queue"`
	Condition   string `json:"condition"`
	Held        int    `json:"held"`        // in hand now
	Begun       uint64 `json:"begun"`       // runs
	Done        uint64 `json:"done"`        // jobs
	Released    uint64 `json:"released"`    // failures after which the job is tried again
	Buried      uint64 `json:"buried"`      // failures for good
	GivenBack   uint64 `json:"given_back"`  // not begun, or not at their end, when jobs were no longer taken
	Repeated    uint64 `json:"repeated"`    // jobs that came again after they had run, and were deleted
	Disconnects uint64 `json:"disconnects"` // connections to the queue that were lost
}

// OfJobs reports how the jobs of a server are.
func OfJobs(s jobqueue.Status) Jobs {
	w := s.Worker
	return Jobs{
		Queue: s.Queue, Condition: s.Condition, Held: w.Held, Begun: w.Taken, Done: w.Done, Released: w.Released,
		Buried: w.Buried, GivenBack: w.GivenBack, Repeated: w.Redelivered, Disconnects: w.ConnectionsLost,
	}
}

// String is for people.
func (r Jobs) String() string {
	return fmt.Sprintf("queue\t%s\njobs\t%d done, %d failed and tried again, %d buried, %d in hand\n",
		r.Condition, r.Done, r.Released, r.Buried, r.Held)
}

// String is for people.
func (r Status) String() string {
	var w strings.Builder
	fmt.Fprintf(&w, "perigee %s is running, generation %d\n\n", r.Version, r.Generation)
	fmt.Fprintf(&w, "process\t%d\n", r.PID)
	uptime := time.Duration(r.Uptime * float64(time.Second)).Truncate(time.Second)
	fmt.Fprintf(&w, "started\t%s, %s ago\n", r.Started.Format(time.DateTime), uptime)
	fmt.Fprintf(&w, "websocket\t%s\n", r.Socket)
	fmt.Fprintf(&w, "connections\t%d\n", r.Connections)
	ready, responds := "yes", "yes"
	if !r.Ready {
		ready = "no, it is stopping"
	}
	if !r.Responds {
		responds = "no, a script holds it"
	}
	fmt.Fprintf(&w, "ready\t%s\nresponds\t%s\n", ready, responds)
	w.WriteString(r.Jobs.String())
	return w.String()
}
