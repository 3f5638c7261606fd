package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/engine"
)

func (p *program) check() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "load settings and scripts without serving, and list the messages",
		Flags: append(settingFlags(""), jsonFlag(), &cli.BoolFlag{
			Name: "strict", Usage: "fail where there are warnings",
		}, &cli.BoolFlag{
			Name: "against-running", Usage: "have the running server try them, and list what a reload would change",
		}),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			if c.Bool("against-running") {
				return p.compare(ctx, c)
			}
			status, err := p.examine(ctx, c)
			if err == nil && c.Bool("strict") && len(status.Warnings) > 0 {
				err = errors.New(strings.Join(status.Warnings, "\n"))
			}
			switch {
			case c.Bool("json"):
				return errors.Join(err, p.printJSON(verdictOf(status, err)))
			case err != nil:
				return err
			default:
				return p.print(summaryOf(status))
			}
		}),
	}
}

// summaryOf is what check says of scripts that load.
func summaryOf(status engine.Status) string {
	var w strings.Builder
	w.WriteString(messageTable(status.Routes) + "\n")
	for _, warning := range status.Warnings {
		fmt.Fprintf(&w, "warning: %s\n", warning)
	}
	fmt.Fprintf(&w, "ok: %d messages, %d commands", len(status.Routes.Messages), len(status.Routes.Commands))
	switch n := len(status.Warnings); n {
	case 0:
	case 1:
		w.WriteString(", 1 warning")
	default:
		fmt.Fprintf(&w, ", %d warnings", n)
	}
	return w.String() + "\n"
}

// verdict is what check --json writes: a promise to programs.
type verdict struct {
	OK       bool     `json:"ok"`
	Messages int      `json:"messages"`
	Commands int      `json:"commands"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
}

func verdictOf(status engine.Status, err error) verdict {
	return verdict{
		OK: err == nil, Messages: len(status.Routes.Messages), Commands: len(status.Routes.Commands),
		Problems: problemsOf(err), Warnings: append([]string{}, status.Warnings...),
	}
}

func problemsOf(err error) []string {
	if err == nil {
		return []string{}
	}
	return strings.Split(err.Error(), "\n")
}

// compare says what a reload of the running server would change.
func (p *program) compare(ctx context.Context, c *cli.Command) error {
	var report reloadReport
	err := p.call(ctx, c, operationCompare, nil, &report)
	switch {
	case c.Bool("json"):
		return errors.Join(err, p.printJSON(comparisonOf(report, err)))
	case err != nil:
		return err
	case report.table() == "":
		return p.print("a reload would change nothing that is registered, and no setting\n")
	default:
		return p.print("a reload would change:\n" + report.table())
	}
}

// comparison is what check --against-running --json writes: a promise to programs.
type comparison struct {
	OK           bool            `json:"ok"`
	Changes      []changeReport  `json:"changes"`
	Settings     []settingReport `json:"settings"`
	NeedsRestart []string        `json:"needs_restart"`
	Warnings     []string        `json:"warnings"`
	Problems     []string        `json:"problems"`
}

func comparisonOf(r reloadReport, err error) comparison {
	if err != nil {
		r = reportOf(engine.Reload{})
	}
	return comparison{
		OK: err == nil, Changes: r.Changes, Settings: r.Settings, NeedsRestart: r.NeedsRestart, Warnings: r.Warnings, Problems: problemsOf(err),
	}
}

func (p *program) version() *cli.Command {
	return &cli.Command{
		Name:         "version",
		Usage:        "print the version",
		OnUsageError: onUsageError,
		Action:       noArguments(func(context.Context, *cli.Command) error { return p.printVersion() }),
	}
}

func (p *program) printVersion() error {
	_, err := fmt.Fprintf(p.stdout, "perigee %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
