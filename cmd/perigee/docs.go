package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"perigee/engine/script"
	"perigee/engine/spec"
)

func (p *program) types() *cli.Command {
	return p.generated("types", "print the Lua API as LuaCATS annotations, for editors", func(*cli.Command) string { return script.Types(spec.Description()) })
}

func (p *program) docs() *cli.Command {
	reference := func(*cli.Command) string { return script.Reference(spec.Description()) }
	return &cli.Command{
		Name:  "docs",
		Usage: "print the reference of the Lua API, or the manual page",
		Commands: []*cli.Command{
			p.generated("lua", "print the reference of the Lua API as Markdown", reference),
			p.generated("man", "print the manual page perigee(1)", func(c *cli.Command) string { return manual(c.Root()) }),
		},
		Action: showSubcommands,
	}
}

// generated returns a command that prints a text or writes it into a file.
func (p *program) generated(name, usage string, text func(c *cli.Command) string) *cli.Command {
	return &cli.Command{
		Name:  name,
		Usage: usage,
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`", DefaultText: "standard output",
		}},
		Action: func(_ context.Context, c *cli.Command) error {
			if file := c.String("output"); file != "" {
				if err := os.WriteFile(file, []byte(text(c)), 0o666); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			}
			_, err := io.WriteString(p.stdout, text(c))
			return err
		},
	}
}
