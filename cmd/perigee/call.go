package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
	"perigee/engine/config"
)

func (p *program) status() *cli.Command {
	return &cli.Command{
		Name:   "status",
		Usage:  "show the status of the running server; fails if none runs",
		Flags:  append(p.settingFlags("status", callSettings), jsonFlag()),
		Action: showResult[report.Status](p, service.Status),
	}
}

func (p *program) health() *cli.Command {
	return &cli.Command{
		Name:  "health",
		Usage: "fail unless the running server accepts clients and responds, for health checks of containers",
		Flags: p.settingFlags("health", callSettings),
		Action: func(ctx context.Context, c *cli.Command) error {
			var status report.Status
			if err := p.call(ctx, c, service.Status, nil, &status); err != nil {
				return err
			}
			if problem := status.Problem(); problem != "" {
				return errors.New("the server is not healthy: " + problem)
			}
			return p.print("healthy\n")
		},
	}
}

func (p *program) reload() *cli.Command {
	return &cli.Command{
		Name:        "reload",
		Usage:       "reload scripts and settings of the running server, and show what has changed",
		Description: "If the scripts or settings have an error, the command fails, and the server keeps running with the previous ones.",
		Flags:       append(p.settingFlags("reload", callSettings), jsonFlag()),
		Action:      showResult[report.Reload](p, service.Reload),
	}
}

func (p *program) queueFailed() *cli.Command {
	return &cli.Command{
		Name:   "failed",
		Usage:  "list the latest failed jobs of the running server, with the reasons",
		Flags:  append(p.settingFlags("failed", jobSettings), jsonFlag()),
		Action: showResult[report.Failures](p, service.Failed),
	}
}

func (p *program) stop() *cli.Command {
	return &cli.Command{
		Name:        "stop",
		Usage:       "stop the running server gracefully, and wait until it has ended",
		Description: "If a service manager restarts the server, use the service manager to stop it.",
		Flags:       p.settingFlags("stop", callSettings),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := p.call(ctx, c, service.Stop, nil, nil); err != nil {
				return err
			}
			return p.print("stopped\n")
		},
	}
}

// showResult returns the action of a command that calls an operation of the running server and prints the result.
func showResult[R fmt.Stringer](p *program, route string) cli.ActionFunc {
	return func(ctx context.Context, c *cli.Command) error {
		var result R
		if err := p.call(ctx, c, route, nil, &result); err != nil {
			return err
		}
		return p.show(c, result)
	}
}

// errNoPort is the error of a command if the settings do not determine the server.
var errNoPort = errors.New("server.port is 0, which means any port: select the server with --port or --control")

// errOff is the error of a command for a server without a control socket.
var errOff = errors.New(`server.control is "off": commands cannot reach this server`)

// call calls an operation of the server that the settings describe.
func (p *program) call(ctx context.Context, c *cli.Command, route string, arguments, result any) error {
	return p.reach(ctx, c, func(path string) error { return control.Call(ctx, path, route, arguments, result) })
}

// reach calls the server that the settings describe by the path of its control socket.
func (p *program) reach(ctx context.Context, c *cli.Command, call func(path string) error) error {
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
	err = call(p.controlPath(settings, settings.Server.Port))
	if errors.Is(err, control.ErrNotRunning) {
		return p.hintOtherServer(ctx, settings, err)
	}
	return err
}
