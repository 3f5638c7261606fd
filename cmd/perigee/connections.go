package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v3"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
)

func (p *program) connections() *cli.Command {
	return &cli.Command{
		Name:        "connections",
		Usage:       "list the open connections of the running server",
		Description: examples("perigee connections --user 42", "perigee connections --search 203.0.113"),
		Flags: append(p.settingFlags("connections", callSettings), jsonFlag(),
			&cli.StringFlag{Name: "user", Usage: "list only those of `USER`"},
			&cli.StringFlag{Name: "search", Usage: "list only those with `TEXT` in UUID, name, email, user, type or address"},
			&cli.StringFlag{Name: "after", Usage: "go on after `N`, which the page before names"},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			query := url.Values{}
			for _, name := range []string{"user", "search", "after"} {
				if value := c.String(name); value != "" {
					query.Set(name, value)
				}
			}
			var list report.Connections
			if err := p.ask(ctx, c, http.MethodGet, "/api/connections?"+query.Encode(), nil, &list); err != nil {
				return err
			}
			return p.show(c, list)
		},
	}
}

func (p *program) close() *cli.Command {
	return &cli.Command{
		Name:        "close",
		Usage:       "close a connection of the running server",
		ArgsUsage:   "UUID",
		Description: examples("perigee close 0d9a1f3e-6c0b-4a53-b3a0-1f3d9c3c4c1e --code 4000 --reason 'see the rules'"),
		Flags: append(p.settingFlags("close", callSettings),
			&cli.StringFlag{Name: "code", Usage: "close with `CODE`, 1000 or from 3000 to 4999", Value: "1000"},
			&cli.StringFlag{Name: "reason", Usage: "tell the client `TEXT`"},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			uuid := c.Args().First()
			if uuid == "" {
				return wrongUsage(c, errors.New("the UUID of the connection is missing; perigee connections lists them"))
			}
			code, err := wholeNumber(c, "code", 4999)
			if err != nil {
				return err
			}
			arguments := map[string]any{"code": code, "reason": c.String("reason")}
			if err := p.ask(ctx, c, http.MethodPost, "/api/connections/"+url.PathEscape(uuid)+"/close", arguments, nil); err != nil {
				return err
			}
			return p.print("closed " + uuid + "\n")
		},
	}
}

func (p *program) send() *cli.Command {
	return &cli.Command{
		Name:        "send",
		Usage:       "send a message to a connection of the running server",
		ArgsUsage:   "UUID NAME [FIELDS]",
		Description: "FIELDS is a JSON object.\n\n" + examples(`perigee send 0d9a1f3e-6c0b-4a53-b3a0-1f3d9c3c4c1e Notice '{"text": "closing at noon"}'`),
		Flags:       p.settingFlags("send", callSettings),
		Action: func(ctx context.Context, c *cli.Command) error {
			uuid, name, fields := c.Args().Get(0), c.Args().Get(1), json.RawMessage(c.Args().Get(2))
			if name == "" {
				return wrongUsage(c, errors.New("the UUID of the connection or the name of the message is missing"))
			}
			if len(fields) == 0 {
				fields = json.RawMessage("{}")
			}
			if !json.Valid(fields) {
				return wrongUsage(c, fmt.Errorf("%q is not JSON", fields))
			}
			arguments := map[string]any{"name": name, "fields": fields}
			if err := p.ask(ctx, c, http.MethodPost, "/api/connections/"+url.PathEscape(uuid)+"/send", arguments, nil); err != nil {
				return err
			}
			return p.print("sent " + name + " to " + uuid + "\n")
		},
	}
}

// ask sends a request to the API of the console of the running server, through the control socket, and stores the answer in into,
// unless that is nil. An exception is an error with its message.
func (p *program) ask(ctx context.Context, c *cli.Command, method, path string, body, into any) error {
	question := service.Question{Method: method, Path: path}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		question.Body = text
	}
	var answer service.Answer
	if err := p.call(ctx, c, service.Ask, question, &answer); err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		var exception struct{ Message string }
		if err := json.Unmarshal(answer.Body, &exception); err != nil {
			return fmt.Errorf("console: %s", answer.Body)
		}
		return errors.New(exception.Message)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Body, into)
}
