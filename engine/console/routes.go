package console

import "perigee/engine/manager"

// Routes list what the scripts have registered. GET routes answers with it, and routes --json prints it.
type Routes struct {
	Messages  []MessageRoute  `json:"messages"`
	Commands  []CommandRoute  `json:"commands"`
	Listeners []ListenerRoute `json:"listeners"`
}

// MessageRoute is a message that clients can send.
type MessageRoute struct {
	Name       string `json:"name"`
	Protection string `json:"protection"`
	Owner      string `json:"owner,omitempty"`
	// Roles are those of which a client needs one; none means that it needs none.
	Roles   []string `json:"roles,omitempty"`
	Schema  bool     `json:"schema"`
	Handler bool     `json:"handler"`
	Source  string   `json:"source"`
}

// CommandRoute is a command of the scripts.
type CommandRoute struct {
	Name   string `json:"name"`
	Schema bool   `json:"schema"`
	Source string `json:"source"`
}

// ListenerRoute runs a command after a message.
type ListenerRoute struct {
	Message string `json:"message"`
	Command string `json:"command"`
	Source  string `json:"source"`
}

// NewRoutes reports what the scripts have registered.
func NewRoutes(routes manager.Routes) Routes {
	r := Routes{Messages: []MessageRoute{}, Commands: []CommandRoute{}, Listeners: []ListenerRoute{}}
	for _, m := range routes.Messages {
		r.Messages = append(r.Messages, MessageRoute{
			Name: m.Name, Protection: m.Protection.String(), Owner: m.Owner, Roles: m.Roles,
			Schema: m.Schema, Handler: m.Handled, Source: m.Source,
		})
	}
	for _, c := range routes.Commands {
		r.Commands = append(r.Commands, CommandRoute{Name: c.Name, Schema: c.Schema, Source: c.Source})
	}
	for _, l := range routes.Listeners {
		r.Listeners = append(r.Listeners, ListenerRoute(l))
	}
	return r
}
