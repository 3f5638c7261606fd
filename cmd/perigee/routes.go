package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v3"

	"perigee/engine"
	"perigee/engine/manager"
	"perigee/scripts"
)

func (p *program) routes() *cli.Command {
	return &cli.Command{
		Name:         "routes",
		Usage:        "list messages, commands and listeners, without serving",
		Flags:        append(settingFlags(""), jsonFlag()),
		OnUsageError: onUsageError,
		Action: noArguments(func(ctx context.Context, c *cli.Command) error {
			status, err := p.examine(ctx, c)
			routes := status.Routes
			for _, warning := range status.Warnings {
				_, _ = fmt.Fprintf(p.stderr, "perigee: warning: %s\n", warning) // it never fails
			}
			switch {
			case err != nil:
				return err
			case c.Bool("json"):
				return p.printJSON(listingOf(routes))
			default:
				return p.print(messageTable(routes) + "\n" + commandTable(routes) + "\n" + listenerTable(routes))
			}
		}),
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "write JSON, for programs"} }

// examine loads settings and scripts without serving, and returns what the scripts registered, with all warnings.
func (p *program) examine(ctx context.Context, c *cli.Command) (engine.Status, error) {
	settings, err := p.load(c)
	if err != nil {
		return engine.Status{}, err
	}
	quiet := settings
	quiet.Warnings = nil
	return engine.Check(ctx, engine.Options{Config: settings, Log: p.logger(quiet, new(slog.LevelVar)), Scripts: scripts.Files})
}

// messageTable lists who may send what.
func messageTable(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString("MESSAGE\tPROTECTION\tOWNER\tSCHEMA\tDECLARED AT\n")
	for _, m := range routes.Messages {
		owner, schema := m.Owner, "no"
		if owner == "" {
			owner = "-"
		}
		if m.Schema {
			schema = "yes"
		}
		fmt.Fprintf(&w, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Protection, owner, schema, m.Source)
	}
	return w.String()
}

func commandTable(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString("COMMAND\tDECLARED AT\n")
	for _, c := range routes.Commands {
		fmt.Fprintf(&w, "%s\t%s\n", c.Name, c.Source)
	}
	return w.String()
}

func listenerTable(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString("AFTER MESSAGE\tRUNS COMMAND\tDECLARED AT\n")
	for _, l := range routes.Listeners {
		fmt.Fprintf(&w, "%s\t%s\t%s\n", l.Message, l.Command, l.Source)
	}
	return w.String()
}

// listing is what --json writes of the routes: a promise to programs.
type listing struct {
	Messages  []messageListing  `json:"messages"`
	Commands  []commandListing  `json:"commands"`
	Listeners []listenerListing `json:"listeners"`
}

type messageListing struct {
	Name       string `json:"name"`
	Protection string `json:"protection"`
	Owner      string `json:"owner,omitempty"`
	Schema     bool   `json:"schema"`
	Handler    bool   `json:"handler"`
	Source     string `json:"source"`
}

type commandListing struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

type listenerListing struct {
	Message string `json:"message"`
	Command string `json:"command"`
	Source  string `json:"source"`
}

func listingOf(routes manager.Routes) listing {
	l := listing{Messages: []messageListing{}, Commands: []commandListing{}, Listeners: []listenerListing{}}
	for _, m := range routes.Messages {
		l.Messages = append(l.Messages, messageListing{
			Name: m.Name, Protection: m.Protection.String(), Owner: m.Owner,
			Schema: m.Schema, Handler: m.Handled, Source: m.Source,
		})
	}
	for _, c := range routes.Commands {
		l.Commands = append(l.Commands, commandListing(c))
	}
	for _, r := range routes.Listeners {
		l.Listeners = append(l.Listeners, listenerListing(r))
	}
	return l
}

// show writes a report to standard output: for programs where --json asks for that, else for people.
func (p *program) show(c *cli.Command, report fmt.Stringer) error {
	if c.Bool("json") {
		return p.printJSON(report)
	}
	return p.print(report.String())
}

// printJSON writes a value to standard output.
func (p *program) printJSON(v any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
