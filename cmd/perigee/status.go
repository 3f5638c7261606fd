package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

func (p *program) status() *cli.Command {
	return &cli.Command{
		Name:         "status",
		Usage:        "say how the running server is",
		Flags:        append(settingFlags(serverFlags), jsonFlag()),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			var report statusReport
			if err := p.call(ctx, c, operationStatus, nil, &report); err != nil {
				return err
			}
			if c.Bool("json") {
				return p.printJSON(report)
			}
			return p.print(report.String())
		}),
	}
}

// statusReport is what a server says of itself, and what status --json writes: a promise to programs.
type statusReport struct {
	PID         int       `json:"pid"`
	Version     string    `json:"version"`
	Generation  int       `json:"generation"`
	Started     time.Time `json:"started"`
	Uptime      float64   `json:"uptime"` // seconds
	Connections int       `json:"connections"`
	Ready       bool      `json:"ready"`    // new clients are welcome, as /readyz says
	Responds    bool      `json:"responds"` // no script holds it
	Socket      string    `json:"socket"`   // URL
}

// String is for people.
func (r statusReport) String() string {
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
	return w.String()
}
