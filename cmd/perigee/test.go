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
		Name:      "test",
		Usage:     "run the specs of the scripts",
		ArgsUsage: "[DIR]",
		Description: "Runs all files *_spec.lua in the directory of the scripts, or in DIR, which may also be one file.\n\n" +
			examples("perigee test", "perigee test scripts/app/app_spec.lua"),
		Flags: p.settingFlags("test", startSettings),
		Action: func(ctx context.Context, c *cli.Command) error {
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
		},
	}
}

// errSpecs is the error if specs failed; the report has the details.
var errSpecs = errors.New("specs failed")
