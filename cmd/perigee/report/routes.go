package report

import (
	"cmp"
	"fmt"
	"strings"

	"perigee/engine/manager"
)

// Tables lists messages, commands and listeners for people.
func Tables(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString(Messages(routes) + "\nCOMMAND\tDECLARED AT\n")
	for _, c := range routes.Commands {
		fmt.Fprintf(&w, "%s\t%s\n", c.Name, c.Source)
	}
	w.WriteString("\nAFTER MESSAGE\tRUNS COMMAND\tDECLARED AT\n")
	for _, l := range routes.Listeners {
		fmt.Fprintf(&w, "%s\t%s\t%s\n", l.Message, l.Command, l.Source)
	}
	return w.String()
}

// Messages lists the messages and who may send them.
func Messages(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString("MESSAGE\tPROTECTION\tOWNER\tSCHEMA\tDECLARED AT\n")
	for _, m := range routes.Messages {
		schema := "no"
		if m.Schema {
			schema = "yes"
		}
		fmt.Fprintf(&w, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Protection, cmp.Or(m.Owner, "-"), schema, m.Source)
	}
	return w.String()
}

// Routes is the output of routes --json, a stable format for programs.
type Routes struct {
	Messages  []Message  `json:"messages"`
	Commands  []Command  `json:"commands"`
	Listeners []Listener `json:"listeners"`
}

// Message is a message that clients can send.
type Message struct {
	Name       string `json:"name"`
	Protection string `json:"protection"`
	Owner      string `json:"owner,omitempty"`
	Schema     bool   `json:"schema"`
	Handler    bool   `json:"handler"`
	Source     string `json:"source"`
}

// Command is a command of the scripts.
type Command struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

// Listener runs a command after a message.
type Listener struct {
	Message string `json:"message"`
	Command string `json:"command"`
	Source  string `json:"source"`
}

// NewRoutes reports what the scripts have registered.
func NewRoutes(routes manager.Routes) Routes {
	r := Routes{Messages: []Message{}, Commands: []Command{}, Listeners: []Listener{}}
	for _, m := range routes.Messages {
		r.Messages = append(r.Messages, Message{
			Name: m.Name, Protection: m.Protection.String(), Owner: m.Owner,
			Schema: m.Schema, Handler: m.Handled, Source: m.Source,
		})
	}
	for _, c := range routes.Commands {
		r.Commands = append(r.Commands, Command(c))
	}
	for _, l := range routes.Listeners {
		r.Listeners = append(r.Listeners, Listener(l))
	}
	return r
}
