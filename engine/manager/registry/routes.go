package registry

import (
	"cmp"
	"slices"

	"perigee/engine/auth"
)

// Routes lists what is registered: messages and commands sorted by name, listeners in the order of registration.
type Routes struct {
	Generation int
	Messages   []MessageRoute
	Commands   []CommandRoute
	Listeners  []ListenerRoute
}

// MessageRoute is a message that clients may send.
type MessageRoute struct {
	Name       string
	Protection auth.Protection
	// Owner is the field that names the connection a Client message is about.
	Owner string
	// Roles are those of which a client needs one, sorted; none means that it needs none.
	Roles []string
	// Schema reports whether the fields are checked before the handler runs.
	Schema bool
	// Handled reports whether the message has a handler. Commands are those that listen to it, in their order.
	Handled  bool
	Commands []string
	// Source is where it was declared.
	Source string

	schema     string // its text
	authorized bool   // it has an authorize function
}

// SchemaText returns the JSON Schema of the fields; "" without Schema.
func (m MessageRoute) SchemaText() string { return m.schema }

// CommandRoute is a command.
type CommandRoute struct {
	Name string
	// Schema reports whether the arguments are checked before the command runs.
	Schema bool
	Source string

	schema string // its text; "" if there is none
}

// ListenerRoute says that a command runs after a message.
type ListenerRoute struct{ Message, Command, Source string }

// Routes returns what the scripts of a generation have registered.
func (r *Registry) Routes(generation int) Routes {
	all := Routes{Generation: generation}
	for _, msg := range r.messages {
		route := MessageRoute{
			Name: msg.Name, Protection: msg.Protection, Owner: msg.Owner, Roles: slices.Sorted(slices.Values(msg.Roles)),
			Schema: msg.Check != nil, Handled: msg.Handle != nil, Source: msg.Source,
			schema: msg.Schema, authorized: msg.Authorize != nil,
		}
		for _, l := range msg.listeners {
			route.Commands = append(route.Commands, l.command)
		}
		all.Messages = append(all.Messages, route)
	}
	for _, c := range r.commands {
		all.Commands = append(all.Commands, CommandRoute{c.Name, c.Schema != "", c.Source, c.Schema})
	}
	for _, l := range r.listeners {
		if !l.silenced {
			all.Listeners = append(all.Listeners, ListenerRoute{l.message, l.command, l.source})
		}
	}
	slices.SortFunc(all.Messages, func(a, b MessageRoute) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(all.Commands, func(a, b CommandRoute) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
