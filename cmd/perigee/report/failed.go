package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"perigee/engine/queue"
)

// Failures are failed jobs, oldest first, and the output of queue failed --json, a stable format for programs.
type Failures []Failure

// Failure is a failed job.
type Failure struct {
	Job     uint64    `json:"job"`
	Command string    `json:"command"` // "" if the body could not be read
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
	Buried  bool      `json:"buried"` // otherwise it is retried
	Reason  string    `json:"reason"`
}

// NewFailures reports the failed jobs of a server.
func NewFailures(failures []queue.Failure) Failures {
	reports := make(Failures, len(failures))
	for i, f := range failures {
		reports[i] = Failure{Job: f.ID, Command: f.Command, Attempt: f.Attempt, Time: f.Time, Buried: f.Buried, Reason: f.Reason}
	}
	return reports
}

// String is the output for people.
func (r Failures) String() string {
	if len(r) == 0 {
		return "no job has failed since the server started\n"
	}
	var w strings.Builder
	w.WriteString("JOB\tTIME\tCOMMAND\tATTEMPT\tNOW\tREASON\n")
	for _, f := range r {
		now := "will be tried again"
		if f.Buried {
			now = "buried"
		}
		reason, _, _ := strings.Cut(f.Reason, "\n")
		fmt.Fprintf(&w, "%d\t%s\t%s\t%d\t%s\t%s\n", f.Job, f.Time.Format(time.DateTime), cmp.Or(f.Command, "-"), f.Attempt, now, reason)
	}
	return w.String()
}
