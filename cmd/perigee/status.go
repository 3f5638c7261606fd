package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) status() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the status of the running server",
		Flags: append(p.settingFlags(callSettings), jsonFlag()),
		Action: func(ctx context.Context, c *cli.Command) error {
			var status report.Status
			if err := p.call(ctx, c, service.Status, nil, &status); err != nil {
				return err
			}
			return p.show(c, status)
		},
	}
}
