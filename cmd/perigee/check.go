package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
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
				return errors.Join(err, p.printJSON(report.OfCheck(status, err)))
			case err != nil:
				return err
			default:
				return p.print(report.Summary(status))
			}
		}),
	}
}

// compare says what a reload of the running server would change.
func (p *program) compare(ctx context.Context, c *cli.Command) error {
	var would report.Reload
	err := p.call(ctx, c, service.Compare, nil, &would)
	switch {
	case c.Bool("json"):
		return errors.Join(err, p.printJSON(report.OfComparison(would, err)))
	case err != nil:
		return err
	case would.Table() == "":
		return p.print("a reload would change nothing that is registered, and no setting\n")
	default:
		return p.print("a reload would change:\n" + would.Table())
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
