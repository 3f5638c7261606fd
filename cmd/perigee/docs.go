package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/engine/script"
	"perigee/engine/spec"
)

func (p *program) types() *cli.Command {
	const usage = "print the Lua API as LuaCATS annotations, for editors, or what clients may send as types of TypeScript"
	languages := []string{"lua", "typescript"}
	command := p.generated("types", usage, func(ctx context.Context, c *cli.Command) (string, error) {
		switch language := c.String("language"); language {
		case languages[0]:
			return script.Types(spec.Description()), nil
		case languages[1]:
			status, err := p.examine(ctx, c)
			if err != nil {
				return "", err
			}
			return report.TypeScript(status.Routes)
		default:
			return "", fmt.Errorf("types: there is no language %q; there are: %s", language, strings.Join(languages, ", "))
		}
	})
	command.Flags = append(command.Flags, &cli.StringFlag{
		Name: "language", Usage: "`LANGUAGE` of the types: lua, or typescript for the messages of the scripts", Value: languages[0],
	})
	command.Flags = append(command.Flags, p.settingFlags("types", startSettings)...)
	return command
}

func (p *program) docs() *cli.Command {
	reference := func(context.Context, *cli.Command) (string, error) { return script.Reference(spec.Description()), nil }
	man := func(_ context.Context, c *cli.Command) (string, error) { return manual(c.Root()), nil }
	return &cli.Command{
		Name:  "docs",
		Usage: "print the reference of the Lua API, or the manual page",
		Commands: []*cli.Command{
			p.generated("lua", "print the reference of the Lua API as Markdown", reference),
			p.generated("man", "print the manual page perigee(1)", man),
		},
		Action: showSubcommands,
	}
}

// generated returns a command that prints a text or writes it into a file.
func (p *program) generated(name, usage string, generate func(ctx context.Context, c *cli.Command) (string, error)) *cli.Command {
	return &cli.Command{
		Name:  name,
		Usage: usage,
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`", DefaultText: "standard output",
		}},
		Action: func(ctx context.Context, c *cli.Command) error {
			text, err := generate(ctx, c)
			if err != nil {
				return err
			}
			if file := c.String("output"); file != "" {
				if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			}
			_, err = io.WriteString(p.stdout, text)
			return err
		},
	}
}
