package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) queueFailed() *cli.Command {
	return &cli.Command{
		Name: "failed", Usage: "list the latest failed jobs of the running server, with the reasons",
		Flags: append(p.settingFlags(jobSettings), jsonFlag()),
		Action: func(ctx context.Context, c *cli.Command) error {
			failed := report.Failures{}
			if err := p.call(ctx, c, service.Failed, nil, &failed); err != nil {
				return err
			}
			return p.show(c, failed)
		},
	}
}
