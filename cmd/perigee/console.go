package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/service"
)

func (p *program) console() *cli.Command {
	return &cli.Command{
		Name:  "console",
		Usage: "print the address of the console of the running server, with a ticket that opens it once",
		Description: "The ticket is valid for a minute, and needs no key. A program trades it for a session: " +
			"POST session with {\"ticket\": ...}.",
		Flags: p.settingFlags("console", callSettings),
		Action: func(ctx context.Context, c *cli.Command) error {
			var url string
			if err := p.call(ctx, c, service.Ticket, nil, &url); err != nil {
				return err
			}
			return p.print(url + "\n")
		},
	}
}
