// Package registry is what one set of scripts registers: messages, commands and listeners, the faults in them, and how one
// set differs from another. It does not know who may send a message, nor when anything runs.
//
// Everything here happens on the loop. Once a registry is complete any goroutine may look up its messages.
package registry

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"perigee/engine/auth"
	"perigee/engine/script"
)

// ErrUnknownCommand is wrapped by the errors of commands that are not registered.
var ErrUnknownCommand = errors.New("unknown command")

// ErrNotLoading is wrapped by the errors of registrations at any other time than while scripts load.
var ErrNotLoading = errors.New("registered while scripts load or boot")

// Registry is what a set of scripts registers. Once it is complete only the listeners of its messages change.
type Registry struct {
	loads     func() bool
	messages  map[string]*Message
	commands  map[string]script.Command
	listeners []*listener // in the order of listening
}

// New returns an empty registry. loads tells whether the scripts still load: later nothing can be registered.
func New(loads func() bool) *Registry {
	return &Registry{loads: loads, messages: map[string]*Message{}, commands: map[string]script.Command{}}
}

// Message is a registered message.
type Message struct {
	script.Message
	Turn      string // what the loop calls its turns
	listeners []*listener
}

// Commands are those that listeners bind it to, in their order. One that is silenced while they are gone over still comes.
func (m *Message) Commands() iter.Seq[string] {
	return func(yield func(command string) bool) {
		for _, l := range m.listeners {
			if !yield(l.command) {
				return
			}
		}
	}
}

// listener binds a message to a command.
type listener struct {
	message, command, source string
	silenced                 bool
}

// register checks what all registrations have in common.
func (r *Registry) register(kind, name string) error {
	if !r.loads() {
		return fmt.Errorf("server.%s: %ss are %w", kind, kind, ErrNotLoading)
	}
	if name == "" {
		return fmt.Errorf("server.%s: the name is empty", kind)
	}
	return nil
}

// AddMessage registers a message. The error of a second one of that name has both sources.
func (r *Registry) AddMessage(msg script.Message) error {
	if err := r.register("message", msg.Name); err != nil {
		return err
	}
	if msg.Protection == auth.Client && msg.Owner == "" {
		return fmt.Errorf(`server.message: %s at %s: protection "client" needs an owner`, msg.Name, msg.Source)
	}
	if msg.Protection != auth.Client && msg.Owner != "" {
		return fmt.Errorf(`server.message: %s at %s: an owner goes with protection "client" only`, msg.Name, msg.Source)
	}
	if first := r.messages[msg.Name]; first != nil && first.Source != msg.Source {
		return twice("message", msg.Name, first.Source, msg.Source)
	}
	r.messages[msg.Name] = &Message{Message: msg, Turn: "message " + msg.Name}
	return nil
}

// AddCommand registers a command. The error of a second one of that name has both sources.
func (r *Registry) AddCommand(c script.Command) error {
	if err := r.register("command", c.Name); err != nil {
		return err
	}
	if c.Run == nil {
		return fmt.Errorf("server.command: %s at %s does nothing", c.Name, c.Source)
	}
	if first, ok := r.commands[c.Name]; ok && first.Source != c.Source {
		return twice("command", c.Name, first.Source, c.Source)
	}
	r.commands[c.Name] = c
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

// Listen binds a message to a command; silence unbinds it, at any time.
func (r *Registry) Listen(message, command, source string) (silence func(), err error) {
	if !r.loads() {
		return nil, fmt.Errorf("server.listen: listeners are %w", ErrNotLoading)
	}
	l := &listener{message: message, command: command, source: source}
	r.listeners = append(r.listeners, l)
	return func() { r.silence(l) }, nil
}

// silence takes a listener away. The message's list is made anew, because a message on its way may be going through it.
func (r *Registry) silence(l *listener) {
	l.silenced = true
	if msg := r.messages[l.message]; msg != nil {
		msg.listeners = slices.DeleteFunc(slices.Clone(msg.listeners), func(other *listener) bool { return other == l })
	}
}

// Complete binds the listeners and returns every fault that only shows when all is registered.
func (r *Registry) Complete() error {
	var faults []error
	for _, l := range r.listeners {
		if l.silenced {
			continue
		}
		msg := r.messages[l.message]
		if msg == nil {
			faults = append(faults, fmt.Errorf("server.listen: at %s: unknown message %q", l.source, l.message))
		}
		if _, ok := r.commands[l.command]; !ok {
			faults = append(faults, fmt.Errorf("server.listen: at %s: %w %q", l.source, ErrUnknownCommand, l.command))
		}
		if msg != nil {
			msg.listeners = append(msg.listeners, l)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.messages)) {
		if msg := r.messages[name]; msg.Handle == nil && len(msg.listeners) == 0 {
			faults = append(faults, fmt.Errorf("server.message: %s at %s has neither a handler nor a listener", name, msg.Source))
		}
	}
	return errors.Join(faults...)
}

// Message finds a message; nil where there is none of that name.
func (r *Registry) Message(name string) *Message { return r.messages[name] }

// Command finds a command.
func (r *Registry) Command(name string) (script.Command, error) {
	c, ok := r.commands[name]
	if !ok {
		return c, fmt.Errorf("%w %q", ErrUnknownCommand, name)
	}
	return c, nil
}
