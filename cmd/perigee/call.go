package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/control"
	"perigee/engine/config"
)

// errNoPort is the error of a command that cannot tell which server is meant.
var errNoPort = errors.New("server.port is 0, which is any: name the server with --port or --control")

// errOff is the error of a command for a server that nobody can ask.
var errOff = errors.New(`server.control is "off": this server takes no commands`)

// call has the server that the settings describe perform an operation.
func (p *program) call(ctx context.Context, c *cli.Command, operation string, arguments, result any) error {
	settings, err := p.load(c)
	if err != nil {
		return err
	}
	switch named := settings.Server.Control; {
	case named == config.ControlOff:
		return errOff
	case named == "" && settings.Server.Port == 0:
		return p.elsewhere(ctx, settings, errNoPort)
	}
	err = control.Call(ctx, p.controlPath(settings, settings.Server.Port), operation, arguments, result)
	if errors.Is(err, control.ErrNotRunning) {
		return p.elsewhere(ctx, settings, err)
	}
	return err
}
