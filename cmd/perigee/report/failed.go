package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"perigee/engine/console"
	"perigee/engine/queue"
)

// Failures are failed jobs, oldest first, and the output of queue failed --json, a stable format for programs.
type Failures []console.JobFailure

// NewFailures reports the failed jobs of a server.
func NewFailures(failures []queue.Failure) Failures {
	reports := make(Failures, len(failures))
	for i, f := range failures {
		reports[i] = console.NewJobFailure(f)
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
