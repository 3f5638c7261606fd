package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/service"
)

func (p *program) stop() *cli.Command {
	return &cli.Command{
		Name:         "stop",
		Usage:        "stop the running server in order, and wait for its end",
		Description:  "Under a service manager that starts servers again, stop it there.",
		Flags:        settingFlags(serverFlags),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			if err := p.call(ctx, c, service.Stop, nil, nil); err != nil {
				return err
			}
			return p.print("stopped\n")
		}),
	}
}
