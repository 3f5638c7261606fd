package main

import (
	"github.com/urfave/cli/v3"

	"perigee/engine/script"
)

func (p *program) docs() *cli.Command {
	return &cli.Command{
		Name:  "docs",
		Usage: "print documentation that is generated from the program",
		Commands: []*cli.Command{
			p.generated("lua", "print the reference of the Lua API as Markdown", script.Reference),
		},
		Action: showSubcommands,
	}
}
