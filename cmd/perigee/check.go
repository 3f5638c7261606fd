package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/engine/manager"
)

func (p *program) check() *cli.Command {
	return &cli.Command{
		Name:         "check",
		Usage:        "load settings and scripts without serving, and list the messages",
		Flags:        append(settingFlags(), jsonFlag()),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			routes, err := p.examine(ctx, c)
			switch {
			case c.Bool("json"):
				return errors.Join(err, p.printJSON(verdictOf(routes, err)))
			case err != nil:
				return err
			default:
				return p.print(messageTable(routes) +
					fmt.Sprintf("\nok: %d messages, %d commands\n", len(routes.Messages), len(routes.Commands)))
			}
		}),
	}
}

// verdict is what check --json writes: a promise to programs.
type verdict struct {
	OK       bool     `json:"ok"`
	Messages int      `json:"messages"`
	Commands int      `json:"commands"`
	Problems []string `json:"problems"`
}

func verdictOf(routes manager.Routes, err error) verdict {
	v := verdict{OK: err == nil, Messages: len(routes.Messages), Commands: len(routes.Commands), Problems: []string{}}
	if err != nil {
		v.Problems = strings.Split(err.Error(), "\n")
	}
	return v
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
