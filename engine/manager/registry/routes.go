package registry

import (
	"cmp"
	"slices"

	"perigee/engine/auth"
)

// Routes is what is registered: messages and commands sorted by name, listeners in the order of listening.
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
	// Schema tells whether the fields are checked before the handler runs.
	Schema bool
	// Handled tells whether the message has a handler of its own; Commands are what listeners bind it to, in their order.
	Handled  bool
	Commands []string
	// Source is where it was declared.
	Source string

	schema     string // its text
	authorized bool   // the script narrows the protection
}

// CommandRoute is a command.
type CommandRoute struct{ Name, Source string }

// ListenerRoute says that a command runs after a message.
type ListenerRoute struct{ Message, Command, Source string }

// Routes returns what is registered by the scripts of that number.
func (r *Registry) Routes(generation int) Routes {
	all := Routes{Generation: generation}
	for _, msg := range r.messages {
		route := MessageRoute{
			Name: msg.Name, Protection: msg.Protection, Owner: msg.Owner,
			Schema: msg.Check != nil, Handled: msg.Handle != nil, Source: msg.Source,
			schema: msg.Schema, authorized: msg.Authorize != nil,
		}
		for _, l := range msg.listeners {
			route.Commands = append(route.Commands, l.command)
		}
		all.Messages = append(all.Messages, route)
	}
	for _, c := range r.commands {
		all.Commands = append(all.Commands, CommandRoute{c.Name, c.Source})
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
