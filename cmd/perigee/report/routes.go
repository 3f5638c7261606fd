package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"perigee/engine/manager"
	"perigee/engine/manager/registry"
)

// Tables lists messages, commands and listeners for people.
func Tables(routes manager.Routes) string {
	var w strings.Builder
	w.WriteString(Messages(routes) + "\nCOMMAND\tSCHEMA\tDECLARED AT\n")
	for _, c := range routes.Commands {
		fmt.Fprintf(&w, "%s\t%s\t%s\n", c.Name, yesOrNo(c.Schema), c.Source)
	}
	w.WriteString("\nAFTER MESSAGE\tRUNS COMMAND\tSCHEMA\tDECLARED AT\n")
	for _, l := range routes.Listeners {
		fmt.Fprintf(&w, "%s\t%s\t%s\n", l.Message, l.Command, l.Source)
	}
	return w.String()
}

// Messages lists the messages and who may send them. Roles have a column if any message has roles.
func Messages(routes manager.Routes) string {
	var w strings.Builder
	row := func(name, protection, owner, roles, schema, source string) {
		fmt.Fprintf(&w, "%s\t%s\t%s\t%s%s\t%s\n", name, protection, owner, roles, schema, source)
	}
	hasRoles := slices.ContainsFunc(routes.Messages, func(m registry.MessageRoute) bool { return len(m.Roles) > 0 })
	roles := ""
	if hasRoles {
		roles = "ROLES\t"
	}
	row("MESSAGE", "PROTECTION", "OWNER", roles, "SCHEMA", "DECLARED AT")
	for _, m := range routes.Messages {
		if hasRoles {
			roles = cmp.Or(strings.Join(m.Roles, ","), "-") + "\t"
		}
		row(m.Name, m.Protection.String(), cmp.Or(m.Owner, "-"), roles, yesOrNo(m.Schema), m.Source)
	}
	return w.String()
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
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
	// Roles are those of which a client needs one; none means that it needs none.
	Roles   []string `json:"roles,omitempty"`
	Schema  bool     `json:"schema"`
	Handler bool     `json:"handler"`
	Source  string   `json:"source"`
}

// Command is a command of the scripts.
type Command struct {
	Name   string `json:"name"`
	Schema bool   `json:"schema"`
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
			Name: m.Name, Protection: m.Protection.String(), Owner: m.Owner, Roles: m.Roles,
			Schema: m.Schema, Handler: m.Handled, Source: m.Source,
		})
	}
	for _, c := range routes.Commands {
		r.Commands = append(r.Commands, Command{Name: c.Name, Schema: c.Schema, Source: c.Source})
	}
	for _, l := range routes.Listeners {
		r.Listeners = append(r.Listeners, Listener(l))
	}
	return r
}
