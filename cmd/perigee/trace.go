package main

import (
	"context"
	"encoding/json"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
	"perigee/engine/trace"
)

func (p *program) trace() *cli.Command {
	return &cli.Command{
		Name:  "trace",
		Usage: "show the messages of the running server as they come and go, until Ctrl-C, for 10 minutes at most",
		Description: "> is a message of a client, < a message of the server, = what came of a message. Secrets are hidden.\n\n" +
			examples("perigee trace --user ada", "perigee trace --message Ring --json"),
		Flags: append(p.settingFlags("trace", callSettings),
			&cli.StringFlag{Name: "connection", Usage: "only what the connection with this `UUID` sends and receives"},
			&cli.StringFlag{Name: "user", Usage: "only what the connections of the user with this `ID` send and receive"},
			&cli.StringFlag{Name: "message", Usage: "only messages with this `NAME`"},
			&cli.StringFlag{Name: "topic", Usage: "only messages to the subscribers of the topic with this `NAME`"},
			&cli.BoolFlag{Name: "json", Usage: "print each event as a line of JSON"},
		),
		Action: p.printTrace,
	}
}

func (p *program) printTrace(ctx context.Context, c *cli.Command) error {
	filter := trace.Filter{
		Connection: c.String("connection"), User: c.String("user"), Message: c.String("message"), Topic: c.String("topic"),
	}
	colored := isTerminal(p.stdout)
	started := func() { _, _ = p.stderr.Write([]byte("perigee traces until Ctrl-C\n")) } // a logging.Writer returns no error
	err := p.reach(ctx, c, func(path string) error {
		return control.Follow(ctx, path, service.Trace, filter, started, func(line []byte) error {
			text := string(line)
			if !c.Bool("json") {
				var e trace.Event
				if err := json.Unmarshal(line, &e); err != nil {
					return err
				}
				text = report.TraceLine(e, colored)
			}
			_, err := p.stdout.Write([]byte(text))
			return err
		})
	})
	select {
	case <-ctx.Done(): // Ctrl-C
		return nil
	default:
		return err
	}
}
