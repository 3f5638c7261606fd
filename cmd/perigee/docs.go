package main

import (
	"github.com/urfave/cli/v3"

	"perigee/engine/script"
	"perigee/engine/spec"
)

func (p *program) docs() *cli.Command {
	return &cli.Command{
		Name:  "docs",
		Usage: "print documentation that is generated from the program",
		Commands: []*cli.Command{
			p.generated("lua", "print the reference of the Lua API as Markdown", reference),
		},
		Action: showSubcommands,
	}
}

func reference() string { return script.Reference(spec.Description()) }
