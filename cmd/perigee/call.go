package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/control"
	"perigee/engine/config"
)

// errNoPort is the error of a command if the settings do not determine the server.
var errNoPort = errors.New("server.port is 0, which means any port: select the server with --port or --control")

// errOff is the error of a command for a server without a control socket.
var errOff = errors.New(`server.control is "off": commands cannot reach this server`)

// call calls an operation of the server that the settings describe.
func (p *program) call(ctx context.Context, c *cli.Command, route string, arguments, result any) error {
	settings, err := p.load(c)
	if err != nil {
		return err
	}
	switch path := settings.Server.Control; {
	case path == config.ControlOff:
		return errOff
	case path == "" && settings.Server.Port == 0:
		return p.hintOtherServer(ctx, settings, errNoPort)
	}
	err = control.Call(ctx, p.controlPath(settings, settings.Server.Port), route, arguments, result)
	if errors.Is(err, control.ErrNotRunning) {
		return p.hintOtherServer(ctx, settings, err)
	}
	return err
}
