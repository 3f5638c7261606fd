package console

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"perigee/engine/manager/inspect"
	"perigee/engine/wire"
)

// Lengths of the pages of a list.
const (
	pageLength    = 100
	maxPageLength = 500
)

// query returns the part of a list that a request asks for.
func query(r *http.Request) (inspect.Query, error) {
	limit, err := strconv.Atoi(cmp.Or(r.FormValue("limit"), strconv.Itoa(pageLength)))
	if err != nil || limit < 1 || limit > maxPageLength {
		return inspect.Query{}, invalid("limit must be a number from 1 to %d", maxPageLength)
	}
	return inspect.Query{Search: r.FormValue("search"), User: r.FormValue("user"), After: r.FormValue("after"), Limit: limit}, nil
}

// page returns the answer of a request for a part of a list.
func page[T any](c *Console, list func(i *inspect.Inspector, ctx context.Context, q inspect.Query) (inspect.List[T], error)) answer {
	return func(r *http.Request) (any, error) {
		q, err := query(r)
		if err != nil {
			return nil, err
		}
		return list(c.options.Server.Inspector(), r.Context(), q)
	}
}

// whenOpen returns the error of a request about a connection, also if no connection with the UUID was found.
func whenOpen(uuid string, found bool, err error) error {
	if err == nil && !found {
		err = notFound("there is no open connection %s", uuid)
	}
	return err
}

func (c *Console) topic(r *http.Request) (any, error) {
	topic, found, err := c.options.Server.Inspector().Topic(r.Context(), r.PathValue("name"))
	if err == nil && !found {
		err = notFound("there is no topic %q", r.PathValue("name"))
	}
	return topic, err
}

func (c *Console) registrations(r *http.Request) (any, error) {
	routes, err := c.options.Server.Routes(r.Context())
	return NewRoutes(routes), err
}

func (c *Console) timers(r *http.Request) (any, error) {
	timers, err := c.options.Server.Timers(r.Context())
	return listOf(timers), err
}

// connection answers with all about a connection. Its fields are those of the application, and may be secret.
func (c *Console) connection(r *http.Request) (any, error) {
	uuid := r.PathValue("uuid")
	detail, found, err := c.options.Server.Inspector().Connection(r.Context(), uuid)
	if err = whenOpen(uuid, found, err); err != nil {
		return nil, err
	}
	if detail.Fields != nil {
		detail.Fields = json.RawMessage(c.redactor().Show(detail.Fields, math.MaxInt, len(detail.Fields)))
	}
	return detail, nil
}

// send sends a message to a connection.
func (c *Console) send(r *http.Request) (any, error) {
	var given struct {
		Name   string                     `json:"name"`
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if err := read(r, &given); err != nil {
		return nil, err
	}
	if given.Name == "" {
		return nil, invalid("name must be the name of a message")
	}
	var fields wire.Members
	for _, name := range slices.Sorted(maps.Keys(given.Fields)) {
		fields = append(fields, wire.Member{Name: name, Value: wire.Raw(given.Fields[name])})
	}
	uuid := r.PathValue("uuid")
	found, err := c.options.Server.Inspector().Send(r.Context(), uuid, given.Name, fields)
	if err = whenOpen(uuid, found, err); err != nil {
		return nil, err
	}
	c.audit(r.Context(), "send", "uuid", uuid, "message", given.Name)
	return struct{}{}, nil
}

// close closes a connection for good.
func (c *Console) close(r *http.Request) (any, error) {
	given := struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	}{Code: wire.CodeNormal}
	if err := read(r, &given); err != nil {
		return nil, err
	}
	if given.Code != wire.CodeNormal && (given.Code < 3000 || given.Code > 4999) {
		return nil, invalid("code must be 1000, or from 3000 to 4999")
	}
	uuid := r.PathValue("uuid")
	found, err := c.options.Server.Inspector().Close(r.Context(), uuid, wire.Close{Code: given.Code, Reason: given.Reason})
	if err = whenOpen(uuid, found, err); err != nil {
		return nil, err
	}
	c.audit(r.Context(), "close", "uuid", uuid, "code", given.Code)
	return struct{}{}, nil
}

// command runs a command with the body as its arguments. The result is that of the scripts, and may be secret.
func (c *Console) command(r *http.Request) (any, error) {
	arguments, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, exceptionError{wire.ArgumentsTooLarge(maxBody)}
	}
	name := r.PathValue("name")
	c.audit(r.Context(), "command", "command", name)
	result, exc := c.options.Server.Command(r.Context(), name, arguments)
	if exc != nil {
		return nil, exceptionError{*exc}
	}
	return json.RawMessage(c.redactor().Show(result, math.MaxInt, len(result))), nil
}
