package main

import (
	"context"
	"errors"
	"io"

	"github.com/urfave/cli/v3"

	"perigee/engine/spec"
	"perigee/scripts"
)

func (p *program) test() *cli.Command {
	return &cli.Command{
		Name:         "test",
		Usage:        "run the specs of the scripts",
		ArgsUsage:    "[DIR]",
		Description:  "Runs all *_spec.lua below the scripts folder, or below DIR, which may also be one file.",
		Flags:        settingFlags(""),
		OnUsageError: onUsageError,
		Action: atMost(1, func(ctx context.Context, c *cli.Command) error {
			settings, err := p.load(c)
			if err != nil {
				return err
			}
			report, err := spec.Run(ctx, spec.Options{Config: settings, Scripts: scripts.Files, Path: c.Args().First()})
			if err != nil {
				return err
			}
			if _, err := io.WriteString(p.stdout, report.String()); err != nil {
				return err
			}
			if len(report.Failures) > 0 {
				return errSpecs
			}
			return nil
		}),
	}
}

// errSpecs says why the exit code is not 0; the report has said more.
var errSpecs = errors.New("specs failed")
