package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/urfave/cli/v3"

	"perigee/engine"
	"perigee/scripts"
)

func (p *program) check() *cli.Command {
	return &cli.Command{
		Name:         "check",
		Usage:        "load settings and scripts without serving, and list the messages",
		Flags:        settingFlags(),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			settings, err := p.load(c)
			if err != nil {
				return err
			}
			status, err := engine.Check(ctx, engine.Options{Config: settings, Log: p.logger(settings), Scripts: scripts.Files})
			if err != nil {
				return err
			}
			return p.print(messageTable(status.Routes) +
				fmt.Sprintf("\nok: %d messages, %d commands\n", len(status.Routes.Messages), len(status.Routes.Commands)))
		}),
	}
}

func (p *program) version() *cli.Command {
	return &cli.Command{
		Name:         "version",
		Usage:        "print the version",
		OnUsageError: onUsageError,
		Action: noArguments(func(context.Context, *cli.Command) error {
			_, err := fmt.Fprintf(p.stdout, "perigee %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}),
	}
}
