package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"perigee/engine/loop"
	"perigee/engine/manager/inspect"
	"perigee/engine/queue"
	"perigee/engine/web"
	"perigee/engine/wire"
)

// routes returns the handler of the API.
func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]answer{
		"GET /api/overview":       c.overview,
		"GET /api/failures":       c.failures,
		"GET /api/failures/{ref}": c.failure,
		"GET /api/log":            c.log,
		"GET /api/queue":          c.queue,
		"GET /api/queue/jobs":     c.job,

		"GET /api/connections":        page(c, (*inspect.Inspector).Connections),
		"GET /api/connections/{uuid}": c.connection,
		"GET /api/users":              page(c, (*inspect.Inspector).Users),
		"GET /api/topics":             page(c, (*inspect.Inspector).Topics),
		"GET /api/topics/{name...}":   c.topic,
		"GET /api/routes":             c.registrations,
		"GET /api/timers":             c.timers,
		"GET /api/reload":             c.compare,
		"GET /api/state":              c.states,
		"GET /api/state/{name...}":    c.state,
		"GET /api/processes":          c.processes,
		"GET /api/waiting":            c.waiting,
	} {
		mux.HandleFunc(pattern, c.serve(answer))
	}
	for pattern, act := range map[string]answer{
		"POST /api/queue/kick":   c.kick,
		"POST /api/queue/delete": c.delete,

		"POST /api/connections/{uuid}/send":  c.send,
		"POST /api/connections/{uuid}/close": c.close,
		"POST /api/reload":                   c.reload,
		"POST /api/commands/{name}":          c.command,
	} {
		mux.HandleFunc(pattern, c.serve(c.action(act)))
	}
	mux.HandleFunc("GET /api/trace", c.trace)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		web.WriteException(w, wire.NotFound("the console has no "+r.Method+" "+r.URL.Path))
	})
	return mux
}

// answer answers a request with a value of JSON, or an error.
type answer func(r *http.Request) (any, error)

// exceptionError is an error that the operator gets as it is.
type exceptionError struct{ wire.Exception }

func (e exceptionError) Error() string { return e.Message }

// failedReload is the error of a reload.
type failedReload struct{ error }

func (e failedReload) Unwrap() error { return e.error }

func reloadFailed(err error) error {
	if err == nil {
		return nil
	}
	return failedReload{err}
}

func notFound(format string, arguments ...any) error {
	return exceptionError{wire.NotFound(fmt.Sprintf(format, arguments...))}
}

func invalid(format string, arguments ...any) error {
	return exceptionError{wire.InvalidArguments(fmt.Sprintf(format, arguments...))}
}

// serve returns the handler of a request.
func (c *Console) serve(answer answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := answer(r)
		if err != nil {
			web.WriteException(w, c.exception(err))
			return
		}
		write(w, value)
	}
}

// exception returns what an operator is told of an error.
func (c *Console) exception(err error) wire.Exception {
	known, ok := errors.AsType[exceptionError](err)
	switch {
	case ok:
		return known.Exception
	case errors.Is(err, loop.ErrBusy):
		return wire.Busy(err.Error())
	case errors.Is(err, loop.ErrStopped):
		return wire.Stopping()
	case errors.Is(err, context.DeadlineExceeded):
		return wire.Unavailable("no answer in time: " + c.redactor().Text(err.Error()))
	case errors.Is(err, queue.ErrNotFound):
		return wire.NotFound("there is no such job")
	}
	if _, failed := errors.AsType[failedReload](err); failed {
		return wire.ReloadFailed(c.redactor().Text(err.Error()))
	}
	return wire.Unavailable(c.redactor().Text(err.Error()))
}

// action returns the answer of a request that changes something, which the settings may forbid.
func (c *Console) action(act answer) answer {
	return func(r *http.Request) (any, error) {
		if !c.settings.Load().Actions {
			return nil, exceptionError{wire.ReadOnly()}
		}
		return act(r)
	}
}

// write answers a request with a value as JSON.
func write(w http.ResponseWriter, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // net/http logs it; the shapes can always be encoded
	}
	web.WriteJSON(w, http.StatusOK, text)
}

// read reads the body of a request, JSON, into a value.
func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return invalid("the body cannot be read: %s", err)
	}
	return nil
}

// listOf returns a list that has everything.
func listOf[T any](items []T) inspect.List[T] {
	return inspect.List[T]{Items: append([]T{}, items...), Total: len(items)}
}
