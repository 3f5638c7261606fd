package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"perigee/engine/auth"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// ErrUnknownCommand is wrapped by the errors of Host.Run, Next and Delay.
var ErrUnknownCommand = errors.New("unknown command")

// ErrNotLoading is wrapped by the errors of registrations at any other time than while scripts load.
var ErrNotLoading = errors.New("registered while scripts load or boot")

// generation is a set of scripts and what it registered. Once installed only the listeners of its messages change.
type generation struct {
	number      int
	application Application
	messages    map[string]*message
	commands    map[string]script.Command
	listeners   []*listener           // in the order of listening
	timers      []script.TimerOptions // those of commands that were started while the scripts loaded
	work        *module.Work          // nil where no jobs are to be taken
}

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

func newGeneration(number int) *generation {
	return &generation{
		number:      number,
		application: unwritten{},
		messages:    map[string]*message{},
		commands:    map[string]script.Command{},
	}
}

// install loads a set of scripts and puts it in place of the present one.
func (m *Manager) install(load func(h script.Host) (Application, error)) error {
	if m.staging != nil {
		return errors.New("manager: install: scripts are loading already")
	}
	next := newGeneration(m.generation.Load().number + 1)
	m.staging = next
	defer func() { m.staging = nil }()
	application, err := load(m.Host())
	if err != nil {
		return err
	}
	if err := next.complete(); err != nil {
		return err
	}
	next.application = application
	m.generation.Store(next)
	if m.options.Work != nil {
		m.options.Work(next.work)
	}
	return nil
}

// registered returns where names are looked up: while scripts load, among what they have registered so far.
func (m *Manager) registered() *generation {
	if m.staging != nil {
		return m.staging
	}
	return m.generation.Load()
}

// register checks what all registrations have in common.
func (m *Manager) register(kind, name string) (*generation, error) {
	if m.staging == nil {
		return nil, fmt.Errorf("server.%s: %ss are %w", kind, kind, ErrNotLoading)
	}
	if name == "" {
		return nil, fmt.Errorf("server.%s: the name is empty", kind)
	}
	return m.staging, nil
}

func (m *Manager) registerMessage(msg script.Message) error {
	g, err := m.register("message", msg.Name)
	if err != nil {
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

func (m *Manager) registerCommand(c script.Command) error {
	g, err := m.register("command", c.Name)
	if err != nil {
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
	return fmt.Errorf("server.%s: %s is registered twice, at %s and at %s", kind, name, first, second)
}

func (m *Manager) listen(message, command, source string) (silence func(), err error) {
	if m.staging == nil {
		return nil, fmt.Errorf("server.listen: listeners are %w", ErrNotLoading)
	}
	g, l := m.staging, &listener{message: message, command: command, source: source}
	g.listeners = append(g.listeners, l)
	return func() { g.silence(l) }, nil
}

// work notes how jobs are to be taken.
func (m *Manager) work(w module.Work) error {
	if m.staging == nil {
		return fmt.Errorf("server.work: what jobs are taken is said by what is %w", ErrNotLoading)
	}
	m.staging.work = &w
	return nil
}

// silence takes a listener away. The message's list is made anew, because a message on its way may be going through it.
func (g *generation) silence(l *listener) {
	l.silenced = true
	if msg := g.messages[l.message]; msg != nil {
		msg.commands = slices.DeleteFunc(slices.Clone(msg.commands), func(other *listener) bool { return other == l })
	}
}

// checkTimer refuses a timer whose command does not exist; while scripts load, complete does.
func (m *Manager) checkTimer(o script.TimerOptions) error {
	if o.Command == "" {
		return nil
	}
	if m.staging != nil {
		m.staging.timers = append(m.staging.timers, o)
		return nil
	}
	_, err := m.command(o.Command)
	return err
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
	for _, t := range g.timers {
		if _, ok := g.commands[t.Command]; !ok {
			faults = append(faults, fmt.Errorf("timer at %s: %w %q", t.Source, ErrUnknownCommand, t.Command))
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
func (m *Manager) command(name string) (script.Command, error) {
	c, ok := m.registered().commands[name]
	if !ok {
		return c, fmt.Errorf("%w %q", ErrUnknownCommand, name)
	}
	return c, nil
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

func (unwritten) Decode(text []byte) (wire.Value, error) { return wire.Raw(text), nil }
func (unwritten) Open(script.Client) error               { return nil }
func (unwritten) Closed(script.Client, string) error     { return nil }
func (unwritten) Failed(script.Client, string) error     { return nil }
func (unwritten) Roster(script.Client) ([]byte, error)   { return nil, nil }
func (unwritten) Stop() error                            { return nil }
func (unwritten) Within(_ context.Context, run func())   { run() }
