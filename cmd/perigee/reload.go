package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) reload() *cli.Command {
	return &cli.Command{
		Name:         "reload",
		Usage:        "have the running server read its scripts and settings again, and say what has changed",
		Description:  "Where they have a fault, the server goes on with what it has, and the command fails.",
		Flags:        append(settingFlags(serverFlags), jsonFlag()),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			var outcome report.Reload
			if err := p.call(ctx, c, service.Reload, nil, &outcome); err != nil {
				return err
			}
			return p.show(c, outcome)
		}),
	}
}
