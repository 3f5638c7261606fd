package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/wire"
)

// errArguments is wrapped by the error of an order whose arguments cannot be read.
var errArguments = errors.New("the arguments cannot be read")

// failedCommand is the error of a command of the scripts; the log has it under the reference.
type failedCommand struct {
	ref   string
	cause error
}

func (f *failedCommand) Error() string { return f.cause.Error() }
func (f *failedCommand) Unwrap() error { return f.cause }

// Ref tells a queue.Worker that the log has it.
func (f *failedCommand) Ref() string { return f.ref }

// never is an error of a job that no further attempt can help.
type never struct{ error }

// Is tells a queue.Worker so.
func (n never) Is(target error) bool {
	return target == queue.ErrPermanent || target == queue.ErrUnknownCommand && errors.Is(n.error, ErrUnknownCommand)
}

// order is a command that another program asks for. Commands know no connection and no protection: whoever may ask has
// been let in before.
type order struct {
	command   string
	arguments []byte // JSON text; empty is an empty object
	result    bool   // whether the result is wanted
	begins    func() // called on the loop when the turn begins; nil is nobody
}

// take begins an order and returns at once. done is called once, by any goroutine: with the result as JSON, if that is
// wanted, or with why there is none. When ctx ends what the command waits for is called off, and the command fails; where
// it ends before the turn, the command does not begin.
func (m *Manager) take(ctx context.Context, o order, done func(result []byte, err error)) {
	if len(o.arguments) == 0 {
		o.arguments = []byte("{}")
	}
	arguments, err := m.application().Decode(o.arguments)
	if err != nil {
		done(nil, fmt.Errorf("%w: %w", errArguments, err))
		return
	}
	err = m.loop.PostWithin(ctx, "command "+o.command, func() {
		if o.begins != nil {
			o.begins()
		}
		result, err := []byte(nil), errPanicked
		defer func() { done(result, err) }()
		g := m.generation.Load()
		if ctx.Err() != nil { // whoever asked has given it up, and may ask again
			err = g.failed(o, fmt.Errorf("before its turn came: %w", context.Cause(ctx)))
			return
		}
		g.application.Within(ctx, func() { result, err = g.fulfil(o, arguments) })
		m.settle()
	})
	if err != nil {
		done(nil, err)
	}
}

// fulfil runs the command of an order.
func (g *generation) fulfil(o order, arguments wire.Value) (result []byte, err error) {
	if _, err := g.registry.Command(o.command); err != nil {
		return nil, err
	}
	value, err := g.run(o.command, arguments)
	if err == nil && o.result {
		if result, err = value.AppendJSON(nil); err != nil {
			err = fmt.Errorf("manager: the result of command %q: %w", o.command, err)
		}
	}
	if err != nil {
		return nil, g.failed(o, err)
	}
	return result, nil
}

// failed reports why an order was not fulfilled, and returns the error of it.
func (g *generation) failed(o order, err error) error {
	if ref, reported := g.manager.report(g.number, "command "+o.command, nil, err); reported {
		return &failedCommand{ref: ref, cause: err}
	}
	return err
}

// Job implements queue.Handler: it blocks until the job's turn begins, so that those that have not begun are known to wait.
func (m *Manager) Job(ctx context.Context, j queue.Job, done func(err error)) {
	begun := make(chan struct{})
	begins := sync.OnceFunc(func() { close(begun) })
	m.take(ctx, order{command: j.Command, arguments: j.Arguments, begins: begins}, func(_ []byte, err error) {
		begins()
		if errors.Is(err, errArguments) || errors.Is(err, ErrUnknownCommand) {
			err = never{err}
		}
		done(err)
	})
	select {
	case <-begun:
	case <-ctx.Done():
	}
}

// Command runs a command for a program that has been let in, and returns its result as JSON, or the exception that says why
// there is none. It waits for it; when ctx ends what the command waits for is called off.
func (m *Manager) Command(ctx context.Context, name string, arguments []byte) (result []byte, no *wire.Exception) {
	if text := bytes.TrimSpace(arguments); len(text) > 0 && text[0] != '{' {
		e := wire.InvalidArguments("the arguments are no JSON object")
		return nil, &e
	}
	type outcome struct {
		result []byte
		err    error
	}
	ended := make(chan outcome, 1) // sent by done, received here
	m.take(ctx, order{command: name, arguments: arguments, result: true}, func(result []byte, err error) {
		ended <- outcome{result, err}
	})
	o := <-ended
	if o.err != nil {
		e := exceptionOf(name, o.err)
		return nil, &e
	}
	return o.result, nil
}

// exceptionOf is what a program hears of an order that was not fulfilled.
func exceptionOf(command string, err error) wire.Exception {
	var failed *failedCommand
	switch {
	case errors.Is(err, errArguments):
		return wire.InvalidArguments(err.Error())
	case errors.As(err, &failed):
		return wire.HandlerFailed(failed.ref)
	case errors.Is(err, ErrUnknownCommand):
		return wire.UnknownCommand(command)
	case errors.Is(err, loop.ErrStopped):
		return wire.Stopping()
	default:
		return wire.HandlerFailed("unknown") // a turn that panicked, which the loop has logged
	}
}
