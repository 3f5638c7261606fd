package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/engine"
	"perigee/scripts"
)

func (p *program) routes() *cli.Command {
	return &cli.Command{
		Name:         "routes",
		Usage:        "list messages, commands and listeners, without serving",
		Flags:        append(settingFlags(""), jsonFlag()),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			status, err := p.examine(ctx, c)
			routes := status.Routes
			for _, warning := range status.Warnings {
				_, _ = fmt.Fprintf(p.stderr, "perigee: warning: %s\n", warning) // it never fails
			}
			switch {
			case err != nil:
				return err
			case c.Bool("json"):
				return p.printJSON(report.OfRoutes(routes))
			default:
				return p.print(report.Tables(routes))
			}
		}),
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "write JSON, for programs"} }

// examine loads settings and scripts without serving, and returns what the scripts registered, with all warnings.
func (p *program) examine(ctx context.Context, c *cli.Command) (engine.Status, error) {
	settings, err := p.load(c)
	if err != nil {
		return engine.Status{}, err
	}
	quiet := settings
	quiet.Warnings = nil
	return engine.Check(ctx, engine.Options{Config: settings, Log: p.logger(quiet, new(slog.LevelVar)), Scripts: scripts.Files})
}

// show writes a report to standard output: for programs where --json asks for that, else for people.
func (p *program) show(c *cli.Command, report fmt.Stringer) error {
	if c.Bool("json") {
		return p.printJSON(report)
	}
	return p.print(report.String())
}

// printJSON writes a value to standard output.
func (p *program) printJSON(v any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
