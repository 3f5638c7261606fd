package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/engine/queue"
)

func (p *program) queueFailed() *cli.Command {
	return &cli.Command{
		Name: "failed", Usage: "list the last jobs that failed in the running server, with the reasons",
		Flags: append(settingFlags(jobFlags), jsonFlag()), OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			failed := []failedReport{}
			if err := p.call(ctx, c, operationFailed, nil, &failed); err != nil {
				return err
			}
			if c.Bool("json") {
				return p.printJSON(failed)
			}
			return p.print(failedTable(failed))
		}),
	}
}

// failedReport is a job that failed, and what queue failed --json writes of it: a promise to programs.
type failedReport struct {
	Job     uint64    `json:"job"`
	Command string    `json:"command"` // "" where the body could not be read
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
	Buried  bool      `json:"buried"` // else it is tried again
	Reason  string    `json:"reason"`
}

// failedReportsOf lists the failures of a server, the oldest first.
func failedReportsOf(failures []queue.Failure) []failedReport {
	reports := make([]failedReport, len(failures))
	for i, f := range failures {
		reports[i] = failedReport{Job: f.ID, Command: f.Command, Attempt: f.Attempt, Time: f.Time, Buried: f.Buried, Reason: f.Reason}
	}
	return reports
}

// failedTable is for people.
func failedTable(failed []failedReport) string {
	if len(failed) == 0 {
		return "no job has failed since the server started\n"
	}
	var w strings.Builder
	w.WriteString("JOB\tTIME\tCOMMAND\tATTEMPT\tNOW\tREASON\n")
	for _, f := range failed {
		command, now := f.Command, "tried again"
		if command == "" {
			command = "-"
		}
		if f.Buried {
			now = "buried"
		}
		reason, _, _ := strings.Cut(f.Reason, "\n")
		fmt.Fprintf(&w, "%d\t%s\t%s\t%d\t%s\t%s\n", f.Job, f.Time.Format(time.DateTime), command, f.Attempt, now, reason)
	}
	return w.String()
}
