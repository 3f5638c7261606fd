// Package registry owns what one set of scripts registers: messages, commands and listeners. It finds the faults in them, and
// how one set differs from another. It must not know who may send a message, nor when anything runs.
//
// It is used on the loop. After BindListeners any goroutine may look up messages.
package registry

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"perigee/engine/auth"
	"perigee/engine/config"
	"perigee/engine/script"
)

// ErrUnknownCommand is wrapped by errors about a command that is not registered.
var ErrUnknownCommand = errors.New("unknown command")

// ErrNotLoading is wrapped by the errors of calls that are allowed only while scripts load.
var ErrNotLoading = errors.New("can only be called while scripts load or boot")

// Registry holds what a set of scripts has registered. After BindListeners only the listeners of its messages change.
type Registry struct {
	loading   func() bool
	messages  map[string]*Message
	commands  map[string]script.Command
	listeners []*listener // in the order of listening
}

// New returns an empty registry. loading reports whether the scripts are still loading: later nothing can be registered.
func New(loading func() bool) *Registry {
	return &Registry{loading: loading, messages: map[string]*Message{}, commands: map[string]script.Command{}}
}

// Message is a registered message.
type Message struct {
	script.Message
	Turn      string // the name of its turns on the loop
	listeners []*listener
}

// Commands returns the commands that listen to the message, in their order. A listener that is silenced during the iteration
// may still be returned.
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

// checkName checks the name of a registration, and that the scripts are loading.
func (r *Registry) checkName(kind, name string) error {
	if !r.loading() {
		return fmt.Errorf("server.%s %w", kind, ErrNotLoading)
	}
	if name == "" {
		return fmt.Errorf("server.%s: the name is empty", kind)
	}
	return nil
}

// AddMessage registers a message. If the name is registered already, the error has both sources.
func (r *Registry) AddMessage(msg script.Message) error {
	if err := r.checkName("message", msg.Name); err != nil {
		return err
	}
	if msg.Protection == auth.Client && msg.Owner == "" {
		return fmt.Errorf(`server.message: %s at %s: protection "client" needs an owner`, msg.Name, msg.Source)
	}
	if msg.Protection != auth.Client && msg.Owner != "" {
		return fmt.Errorf(`server.message: %s at %s: only protection "client" has an owner`, msg.Name, msg.Source)
	}
	if first := r.messages[msg.Name]; first != nil && first.Source != msg.Source {
		return errTwice("message", msg.Name, first.Source, msg.Source)
	}
	r.messages[msg.Name] = &Message{Message: msg, Turn: "message " + msg.Name}
	return nil
}

// RemoveMessage removes a message and the listeners that it has so far, as if nobody had registered them.
func (r *Registry) RemoveMessage(name string) error {
	if err := r.checkName("remove_message", name); err != nil {
		return err
	}
	if r.messages[name] == nil {
		problem := fmt.Sprintf("server.remove_message: unknown message %q", name)
		if similar := r.SimilarMessage(name); similar != "" {
			problem += fmt.Sprintf("; did you mean %q?", similar)
		}
		return errors.New(problem)
	}
	delete(r.messages, name)
	r.listeners = slices.DeleteFunc(r.listeners, func(l *listener) bool { return l.message == name })
	return nil
}

// AddCommand registers a command. If the name is registered already, the error has both sources.
func (r *Registry) AddCommand(c script.Command) error {
	if err := r.checkName("command", c.Name); err != nil {
		return err
	}
	if c.Run == nil {
		return fmt.Errorf("server.command: %s at %s has no function", c.Name, c.Source)
	}
	if first, ok := r.commands[c.Name]; ok && first.Source != c.Source {
		return errTwice("command", c.Name, first.Source, c.Source)
	}
	r.commands[c.Name] = c
	return nil
}

func errTwice(kind, name, first, second string) error {
	hint := ""
	for _, source := range []string{first, second} {
		file, isBuiltin := strings.CutPrefix(source, "perigee/")
		switch {
		case !isBuiltin || hint != "":
		case kind == "message":
			hint = fmt.Sprintf("; to replace a built-in message, call server.remove_message(%q) first", name)
		default:
			file, _, _ = strings.Cut(file, ":")
			hint = fmt.Sprintf("; to replace a built-in module, put your own %s into the scripts directory", file)
		}
	}
	return fmt.Errorf("server.%s: %s is registered twice, at %s and at %s%s", kind, name, first, second, hint)
}

// Listen binds a command to a message. silence removes the binding, and may be called at any time.
func (r *Registry) Listen(message, command, source string) (silence func(), err error) {
	if !r.loading() {
		return nil, fmt.Errorf("server.listen %w", ErrNotLoading)
	}
	l := &listener{message: message, command: command, source: source}
	r.listeners = append(r.listeners, l)
	return func() {
		l.silenced = true
		if msg := r.messages[message]; msg != nil { // its list is copied, because a handler in progress may be iterating over it
			msg.listeners = slices.DeleteFunc(slices.Clone(msg.listeners), func(other *listener) bool { return other == l })
		}
	}, nil
}

// BindListeners binds the listeners to their messages, and returns every fault that shows only after all has been registered.
func (r *Registry) BindListeners() error {
	var faults []error
	for _, l := range r.listeners {
		if l.silenced {
			continue
		}
		msg := r.messages[l.message]
		if msg == nil {
			faults = append(faults, fmt.Errorf("server.listen: at %s: unknown message %q", l.source, l.message))
		}
		if _, err := r.Command(l.command); err != nil {
			faults = append(faults, fmt.Errorf("server.listen: at %s: %w", l.source, err))
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

// Message returns the message of that name, or nil.
func (r *Registry) Message(name string) *Message { return r.messages[name] }

// SimilarMessage returns the name of a message that hardly differs from a name, or "".
func (r *Registry) SimilarMessage(name string) string {
	return config.Nearest(name, slices.Sorted(maps.Keys(r.messages)))
}

// Command returns the command of that name, or an error that wraps ErrUnknownCommand.
func (r *Registry) Command(name string) (script.Command, error) {
	c, ok := r.commands[name]
	if !ok {
		return c, fmt.Errorf("%w %q", ErrUnknownCommand, name)
	}
	return c, nil
}

// Similar returns the command whose name is closest to another name, or "" if none is close.
func (r *Registry) Similar(name string) string {
	return config.Nearest(name, slices.Sorted(maps.Keys(r.commands)))
}
