package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) status() *cli.Command {
	return &cli.Command{
		Name:         "status",
		Usage:        "say how the running server is",
		Flags:        append(settingFlags(serverFlags), jsonFlag()),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			var status report.Status
			if err := p.call(ctx, c, service.Status, nil, &status); err != nil {
				return err
			}
			return p.show(c, status)
		}),
	}
}
