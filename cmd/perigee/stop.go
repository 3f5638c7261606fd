package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/service"
)

func (p *program) stop() *cli.Command {
	return &cli.Command{
		Name:        "stop",
		Usage:       "stop the running server gracefully, and wait until it has ended",
		Description: "If a service manager restarts the server, use the service manager to stop it.",
		Flags:       p.settingFlags(callSettings),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := p.call(ctx, c, service.Stop, nil, nil); err != nil {
				return err
			}
			return p.print("stopped\n")
		},
	}
}
