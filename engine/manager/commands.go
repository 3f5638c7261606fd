package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"perigee/engine/loop"
	"perigee/engine/manager/registry"
	"perigee/engine/queue"
	"perigee/engine/quota"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// errArguments is wrapped by the error of a command request whose arguments cannot be read.
var errArguments = errors.New("the arguments cannot be read")

// failedCommand is the error of a command of the scripts. It has been logged under ref.
type failedCommand struct {
	ref   string
	cause error
}

func (f *failedCommand) Error() string { return f.cause.Error() }
func (f *failedCommand) Unwrap() error { return f.cause }

// Ref tells a queue.Worker that the error has been logged.
func (f *failedCommand) Ref() string { return f.ref }

// permanentError is an error of a job that a retry cannot fix.
type permanentError struct{ error }

// Is matches queue.ErrPermanent, and queue.ErrUnknownCommand if the command is unknown.
func (e permanentError) Is(target error) bool {
	return target == queue.ErrPermanent || target == queue.ErrUnknownCommand && errors.Is(e.error, registry.ErrUnknownCommand)
}

// commandRequest is a command that another program asks for. A command has no connection and no protection: the caller has
// authenticated the program.
type commandRequest struct {
	command    string
	arguments  []byte     // JSON text; empty is an empty object
	job        *queue.Job // a job in an unknown format, from which the scripts read the command and the arguments; optional
	wantResult bool
	began      func() // called on the loop when the turn begins; optional
}

// turn returns the name of the request's turn.
func (r commandRequest) turn() string {
	if r.job != nil && r.command == "" {
		return "job"
	}
	return "command " + r.command
}

// input returns what the request hands to the scripts.
func (r commandRequest) input() []byte {
	if r.job != nil {
		return r.job.Body
	}
	return r.arguments
}

// request posts the turn of a command request and returns. done is called once, by any goroutine: with the result,
// as JSON if wantResult is set, or with the error. If ctx ends before the turn begins, the command does not run. If it ends later, the waits
// of the command are cancelled, and the command fails.
func (m *Manager) request(ctx context.Context, r commandRequest, done func(result []byte, err error)) {
	if len(r.arguments) == 0 {
		r.arguments = []byte("{}")
	}
	arguments, err := m.generation.Load().application.Decode(r.arguments)
	if err != nil {
		done(nil, fmt.Errorf("%w: %s", errArguments, decodeReason(err)))
		return
	}
	err = m.loop.PostWithin(ctx, r.turn(), func() {
		if r.began != nil {
			r.began()
		}
		result, err := []byte(nil), errPanicked
		defer func() { done(result, err) }()
		g := m.generation.Load()
		if ctx.Err() != nil { // the caller has given up, and may try again
			err = g.failed(r, fmt.Errorf("before its turn came: %w", context.Cause(ctx)))
			return
		}
		m.loop.As(quota.NewOwner(nil), func() {
			g.application.RunWithin(ctx, func() { result, err = g.execute(r, arguments) })
			m.hub.Flush()
		})
	})
	if err != nil {
		done(nil, err)
	}
}

func (g *generation) execute(r commandRequest, arguments wire.Value) (result []byte, err error) {
	if r.job != nil {
		if r.command, arguments, err = g.readJob(*r.job); err != nil {
			return nil, err
		}
	}
	c, err := g.registry.Command(r.command)
	if err != nil {
		if similar := g.registry.Similar(r.command); similar != "" {
			err = fmt.Errorf("%w; did you mean %q?", err, similar)
		}
		return nil, err
	}
	value, err := c.Run(arguments)
	if err == nil && r.wantResult {
		if result, err = value.AppendJSON(nil); err != nil {
			err = fmt.Errorf("the result of command %q: %w", r.command, err)
		}
	}
	if isRefused(err) {
		return nil, err
	}
	if err != nil {
		return nil, g.failed(r, err)
	}
	return result, nil
}

// isRefused reports whether a command has refused to run, or its schema has: that is no bug of the scripts.
func isRefused(err error) bool {
	_, refused := errors.AsType[*script.Refusal](err)
	_, invalid := errors.AsType[*script.ArgumentsError](err)
	return refused || invalid
}

// failed logs the error of a request, and returns it with the reference.
func (g *generation) failed(r commandRequest, err error) error {
	if ref, reported := g.manager.report(g.number, r.turn(), nil, &inputError{err, r.input()}); reported {
		return &failedCommand{ref: ref, cause: err}
	}
	return err
}

// Job implements queue.Handler. It blocks until the turn of the job begins, so that the queue knows which jobs have not begun.
func (m *Manager) Job(ctx context.Context, j queue.Job, done func(err error)) {
	started := make(chan struct{}) // closed by markStarted
	markStarted := sync.OnceFunc(func() { close(started) })
	began := func() {
		markStarted()
		if j.Yielded != nil {
			m.loop.Next("job", j.Yielded) // it runs when the command waits for the first time, or has returned
		}
	}
	r := commandRequest{command: j.Command, arguments: j.Arguments, began: began}
	if j.Unknown != nil {
		r.job = &j
	}
	m.request(ctx, r, func(_ []byte, err error) {
		markStarted()
		if errors.Is(err, errArguments) || errors.Is(err, registry.ErrUnknownCommand) || isRefused(err) {
			err = permanentError{err}
		}
		done(err)
	})
	select {
	case <-started:
	case <-ctx.Done():
	}
}

// Command runs a command for a program whose password has been checked, and returns its result as JSON, or an exception. It
// waits for the command. When ctx ends, the waits of the command are cancelled.
func (m *Manager) Command(ctx context.Context, name string, arguments []byte) (result []byte, exc *wire.Exception) {
	if text := bytes.TrimSpace(arguments); len(text) > 0 && text[0] != '{' {
		e := wire.InvalidArguments("the arguments must be a JSON object, found " + wire.Kind(text))
		return nil, &e
	}
	ended := make(chan error, 1)
	m.request(ctx, commandRequest{command: name, arguments: arguments, wantResult: true}, func(text []byte, err error) {
		result = text
		ended <- err
	})
	if err := <-ended; err != nil {
		e := exceptionFor(name, err)
		return nil, &e
	}
	return result, nil
}

// exceptionFor returns the exception for the program that asked for a command.
func exceptionFor(command string, err error) wire.Exception {
	var failed *failedCommand
	var refusal *script.Refusal
	var arguments *script.ArgumentsError
	switch {
	case errors.As(err, &refusal):
		return wire.Refused(refusal.Reason)
	case errors.As(err, &arguments):
		return wire.InvalidArguments(arguments.Problem)
	case errors.Is(err, errArguments):
		return wire.InvalidArguments(err.Error())
	case errors.As(err, &failed):
		return wire.HandlerFailed(failed.ref)
	case errors.Is(err, registry.ErrUnknownCommand):
		return wire.UnknownCommand(command)
	case errors.Is(err, loop.ErrStopped):
		return wire.Stopping()
	default:
		return wire.HandlerFailed("unknown") // the turn panicked, which the loop has logged
	}
}
