package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"perigee/engine/script"
)

func (p *program) types() *cli.Command {
	return &cli.Command{
		Name:  "types",
		Usage: "print what scripts can do as LuaCATS annotations, for editors",
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "output", Aliases: []string{"o"}, Usage: "the file to write, or write again", DefaultText: "standard output",
		}},
		OnUsageError: onUsageError,
		Action: noArguments(func(_ context.Context, c *cli.Command) error {
			if file := c.String("output"); file != "" {
				if err := os.WriteFile(file, []byte(script.Types()), 0o666); err != nil {
					return fmt.Errorf("types: %w", err)
				}
				return nil
			}
			_, err := io.WriteString(p.stdout, script.Types())
			return err
		}),
	}
}
