package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) reload() *cli.Command {
	return &cli.Command{
		Name:        "reload",
		Usage:       "reload scripts and settings of the running server, and show what has changed",
		Description: "If the scripts or settings have an error, the command fails, and the server keeps running with the previous ones.",
		Flags:       append(p.settingFlags(callSettings), jsonFlag()),
		Action: func(ctx context.Context, c *cli.Command) error {
			var changes report.Reload
			if err := p.call(ctx, c, service.Reload, nil, &changes); err != nil {
				return err
			}
			return p.show(c, changes)
		},
	}
}
