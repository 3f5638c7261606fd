package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) check() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "check settings and scripts without starting the server, and list the messages",
		Flags: append(p.settingFlags("check", startSettings), jsonFlag(), &cli.BoolFlag{
			Name: "strict", Usage: "fail if there are warnings",
		}, &cli.BoolFlag{
			Name: "against-running", Usage: "show what reloading the running server would change",
		}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Bool("against-running") {
				return p.compare(ctx, c)
			}
			status, err := p.examine(ctx, c)
			if err == nil && c.Bool("strict") && len(status.Warnings) > 0 {
				err = errors.New(strings.Join(status.Warnings, "\n"))
			}
			switch {
			case c.Bool("json"):
				return errors.Join(err, p.printJSON(report.NewCheck(status, err)))
			case err != nil:
				return err
			default:
				return p.print(report.Summary(status))
			}
		},
	}
}

// compare shows what reloading the running server would change.
func (p *program) compare(ctx context.Context, c *cli.Command) error {
	var reload report.Reload
	err := p.call(ctx, c, service.Compare, nil, &reload)
	switch {
	case c.Bool("json"):
		return errors.Join(err, p.printJSON(report.NewComparison(reload, err)))
	case err != nil:
		return err
	case reload.Table() == "":
		return p.print("a reload would change no registration and no setting\n")
	default:
		return p.print("a reload would change:\n" + reload.Table())
	}
}
