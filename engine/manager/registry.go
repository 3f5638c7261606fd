package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// ErrUnknownCommand is wrapped by the errors of Host.Run, Next and Delay.
var ErrUnknownCommand = errors.New("unknown command")

// ErrNotLoading is wrapped by the errors of registrations at any other time than while scripts load.
var ErrNotLoading = errors.New("registered while scripts load or boot")

// message is a registered message.
type message struct {
	script.Message
	turn     string // what the loop calls its turns
	commands []*listener
}

// listener binds a message to a command.
type listener struct {
	message, command, source string
	silenced                 bool
}

// register checks what all registrations have in common.
func (g *generation) register(kind, name string) error {
	if g.phase != loading {
		return fmt.Errorf("server.%s: %ss are %w", kind, kind, ErrNotLoading)
	}
	if name == "" {
		return fmt.Errorf("server.%s: the name is empty", kind)
	}
	return nil
}

func (g *generation) registerMessage(msg script.Message) error {
	if err := g.register("message", msg.Name); err != nil {
		return err
	}
	if msg.Protection == auth.Client && msg.Owner == "" {
		return fmt.Errorf(`server.message: %s at %s: protection "client" needs an owner`, msg.Name, msg.Source)
	}
	if msg.Protection != auth.Client && msg.Owner != "" {
		return fmt.Errorf(`server.message: %s at %s: an owner goes with protection "client" only`, msg.Name, msg.Source)
	}
	if first := g.messages[msg.Name]; first != nil && first.Source != msg.Source {
		return twice("message", msg.Name, first.Source, msg.Source)
	}
	g.messages[msg.Name] = &message{Message: msg, turn: "message " + msg.Name}
	return nil
}

func (g *generation) registerCommand(c script.Command) error {
	if err := g.register("command", c.Name); err != nil {
		return err
	}
	if c.Run == nil {
		return fmt.Errorf("server.command: %s at %s does nothing", c.Name, c.Source)
	}
	if first, ok := g.commands[c.Name]; ok && first.Source != c.Source {
		return twice("command", c.Name, first.Source, c.Source)
	}
	g.commands[c.Name] = c
	return nil
}

func twice(kind, name, first, second string) error {
	hint := ""
	for _, source := range []string{first, second} {
		if file, ok := strings.CutPrefix(source, "perigee/"); ok && hint == "" {
			file, _, _ = strings.Cut(file, ":")
			hint = fmt.Sprintf("; to replace what Perigee brings, put a %s of your own into the scripts folder", file)
		}
	}
	return fmt.Errorf("server.%s: %s is registered twice, at %s and at %s%s", kind, name, first, second, hint)
}

func (g *generation) listen(message, command, source string) (silence func(), err error) {
	if g.phase != loading {
		return nil, fmt.Errorf("server.listen: listeners are %w", ErrNotLoading)
	}
	l := &listener{message: message, command: command, source: source}
	g.listeners = append(g.listeners, l)
	return func() { g.silence(l) }, nil
}

// takeJobs notes how jobs are to be taken.
func (g *generation) takeJobs(w module.Work) error {
	if g.phase != loading {
		return fmt.Errorf("server.work: what jobs are taken is said by what is %w", ErrNotLoading)
	}
	g.jobs = &w
	return nil
}

// silence takes a listener away. The message's list is made anew, because a message on its way may be going through it.
func (g *generation) silence(l *listener) {
	l.silenced = true
	if msg := g.messages[l.message]; msg != nil {
		msg.commands = slices.DeleteFunc(slices.Clone(msg.commands), func(other *listener) bool { return other == l })
	}
}

// complete binds the listeners and returns every fault that only shows when all is registered.
func (g *generation) complete() error {
	var faults []error
	for _, l := range g.listeners {
		if l.silenced {
			continue
		}
		msg := g.messages[l.message]
		if msg == nil {
			faults = append(faults, fmt.Errorf("server.listen: at %s: unknown message %q", l.source, l.message))
		}
		if _, ok := g.commands[l.command]; !ok {
			faults = append(faults, fmt.Errorf("server.listen: at %s: %w %q", l.source, ErrUnknownCommand, l.command))
		}
		if msg != nil {
			msg.commands = append(msg.commands, l)
		}
	}
	for _, w := range g.boot {
		if w.options.Run != nil {
			continue
		}
		if _, ok := g.commands[w.options.Command]; !ok {
			faults = append(faults, fmt.Errorf("timer at %s: %w %q", w.options.Source, ErrUnknownCommand, w.options.Command))
		}
	}
	for _, t := range g.topics {
		if g.manager.topics.names[t.name] != nil {
			faults = append(faults, fmt.Errorf("server.register: topic %q was registered by somebody else while the scripts loaded", t.name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.messages)) {
		if msg := g.messages[name]; msg.Handle == nil && len(msg.commands) == 0 {
			faults = append(faults, fmt.Errorf("server.message: %s at %s has neither a handler nor a listener", name, msg.Source))
		}
	}
	return errors.Join(faults...)
}

// command finds a command.
func (g *generation) command(name string) (script.Command, error) {
	c, ok := g.commands[name]
	if !ok {
		return c, fmt.Errorf("%w %q", ErrUnknownCommand, name)
	}
	return c, nil
}

// run runs a command within the present turn.
func (g *generation) run(name string, arguments wire.Value) (wire.Value, error) {
	c, err := g.command(name)
	if err != nil {
		return nil, err
	}
	return c.Run(arguments)
}

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

func (g *generation) routes() Routes {
	r := Routes{Generation: g.number}
	for _, msg := range g.messages {
		route := MessageRoute{
			Name: msg.Name, Protection: msg.Protection, Owner: msg.Owner,
			Schema: msg.Check != nil, Handled: msg.Handle != nil, Source: msg.Source,
			schema: msg.Schema, authorized: msg.Authorize != nil,
		}
		for _, l := range msg.commands {
			route.Commands = append(route.Commands, l.command)
		}
		r.Messages = append(r.Messages, route)
	}
	for _, c := range g.commands {
		r.Commands = append(r.Commands, CommandRoute{c.Name, c.Source})
	}
	for _, l := range g.listeners {
		if !l.silenced {
			r.Listeners = append(r.Listeners, ListenerRoute{l.message, l.command, l.source})
		}
	}
	slices.SortFunc(r.Messages, func(a, b MessageRoute) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Commands, func(a, b CommandRoute) int { return cmp.Compare(a.Name, b.Name) })
	return r
}

// unwritten is the application before any has been installed: it knows no message and does nothing.
type unwritten struct{}

func (unwritten) Decode(text []byte) (wire.Value, error)  { return wire.Raw(text), nil }
func (unwritten) Open(script.Client) error                { return nil }
func (unwritten) Closed(script.Client, string) error      { return nil }
func (unwritten) Failed(script.Client, string) error      { return nil }
func (unwritten) Roster(script.Client) ([]byte, error)    { return nil, nil }
func (unwritten) Stop() error                             { return nil }
func (unwritten) Adopt(v wire.Value) (wire.Value, string) { return v, "" }
func (unwritten) Started()                                {}
func (unwritten) Replaced(done func())                    { done() }
func (unwritten) Interrupt(error)                         {}
func (unwritten) Forget(*any)                             {}
func (unwritten) Within(_ context.Context, run func())    { run() }
