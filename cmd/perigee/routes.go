package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/engine"
	"perigee/engine/console"
	"perigee/scripts"
)

func (p *program) routes() *cli.Command {
	return &cli.Command{
		Name:  "routes",
		Usage: "list messages, commands and listeners of the scripts, without starting the server",
		Flags: append(p.settingFlags("routes", startSettings), jsonFlag()),
		Action: func(ctx context.Context, c *cli.Command) error {
			status, err := p.examine(ctx, c)
			routes := status.Routes
			for _, warning := range status.Warnings {
				_, _ = fmt.Fprintf(p.stderr, "perigee: warning: %s\n", warning) // a logging.Writer returns no error
			}
			switch {
			case err != nil:
				return err
			case c.Bool("json"):
				return p.printJSON(console.NewRoutes(routes))
			default:
				return p.print(report.Tables(routes))
			}
		},
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }

// examine loads settings and scripts without starting the server, and returns the registrations of the scripts, with all
// warnings.
func (p *program) examine(ctx context.Context, c *cli.Command) (engine.Status, error) {
	settings, err := p.load(c)
	if err != nil {
		return engine.Status{}, err
	}
	quiet := settings
	quiet.Warnings = nil
	return engine.Check(ctx, engine.Options{Config: settings, Log: p.logger(quiet, new(slog.LevelVar)), Scripts: scripts.Files})
}

// show writes a report to standard output: as JSON with --json, as text without.
func (p *program) show(c *cli.Command, report fmt.Stringer) error {
	if c.Bool("json") {
		return p.printJSON(report)
	}
	return p.print(report.String())
}

// printJSON writes a value to standard output as JSON.
func (p *program) printJSON(v any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
