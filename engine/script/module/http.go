package module

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/fetch"
	"perigee/engine/quota"
	"perigee/engine/script/api"
	"perigee/engine/script/operator"
	"perigee/engine/script/value"
)

// HTTPOptions are the options of NewHTTP.
type HTTPOptions struct {
	Log *slog.Logger
	// JSON has the limits of JSON that is sent and received.
	JSON value.Limits
	Wait api.Wait
	// Owner returns the owner of the present turn.
	Owner func() *quota.Owner
	// Fetch starts a request, as fetch.Client does. cancel is also called once the response has been used.
	Fetch func(r fetch.Request, done func(fetch.Response, error)) (cancel func())
}

// HTTP makes the requests of one program of scripts.
type HTTP struct {
	options   HTTPOptions
	responses *lua.LTable // metatable
}

// NewHTTP returns the module http of a program.
func NewHTTP(o HTTPOptions) *HTTP { return &HTTP{options: o} }

// Module is the module http.
func (h *HTTP) Module() api.Module {
	return api.Module{Name: "http", Doc: "Requests to other servers.", Functions: h.functions()}
}

// Kind describes responses to scripts.
func (h *HTTP) Kind() api.Kind {
	return api.Kind{
		Name: "response", Class: "Response", Doc: "The response to a request.", Metatable: &h.responses, Plain: true,
		Fields: responseFields(), Methods: h.methods(),
	}
}

// RequestOptions are the options of the functions of the module http.
func RequestOptions() []api.Kind {
	headers := api.Field{Name: "headers?", Type: "table<string, string|number>", Doc: "Strings or numbers by name."}
	timeout := api.Field{
		Name: "timeout?", Type: "number",
		Doc: "The time limit in milliseconds, 1 to a day, redirects and the body included. Default: http.timeout of the settings.",
	}
	json := api.Field{Name: "json?", Type: "any", Doc: "A table or other plain data, sent instead of a body as JSON, with its content type."}
	return []api.Kind{
		{Class: "GetOptions", Doc: "Options of http.get.", Fields: []api.Field{headers, timeout}},
		{Class: "PostOptions", Doc: "Options of http.post.", Fields: []api.Field{headers, timeout, json}},
		{Class: "RequestOptions", Doc: "Options of http.request.", Fields: []api.Field{
			{
				Name: "url", Type: "string",
				Doc: "An http or https URL. Put what comes from outside through http.escape. Spaces and other characters than ASCII are escaped anyhow; a text that is not a URL gets the reason bad url.",
			},
			{Name: "method?", Type: "string", Doc: "Default: GET."},
			headers,
			{Name: "body?", Type: "string", Doc: "The body. Not together with json."},
			json,
			timeout,
		}},
	}
}

func (h *HTTP) functions() []api.Function {
	return []api.Function{
		{
			Name: "request", Signature: "(options: perigee.RequestOptions): perigee.Response?, string?",
			Doc: "Makes a request and waits for the response, whatever its status; other turns run meanwhile. Returns nil and the reason if there is no response: timeout, refused, unreachable, unknown host, bad certificate, closed, too large, request too large, too many requests, too many redirects, redirect to a private address, neither http nor https, bad url, bad request, or failed. The log has more at level debug. Options of a wrong type are an error. At most five redirects are followed, and none from a public address to this machine or a private network unless http.redirects_to_private is set. The URL itself is not checked for that: never request a URL that a client sent. Bodies may have http.max_body bytes. If http.max_requests requests are running, or http.requests_per_connection on behalf of the same connection, further ones wait within their timeout. Proxies of the environment are not used.",
			Run: func(L *lua.LState) int {
				options := L.CheckTable(1)
				api.Raise(L, api.CheckOptions(options, "method", "url", "headers", "body", "json", "timeout"))
				return h.request(L, options)
			},
		},
		{
			Name: "get", Signature: "(url: string, options?: perigee.GetOptions): perigee.Response?, string?",
			Doc: "Makes a GET request; otherwise like http.request.",
			Run: func(L *lua.LState) int {
				options := shortOptions(L, 2, "headers", "timeout")
				options.RawSetString("url", L.CheckAny(1))
				return h.request(L, options)
			},
		},
		{
			Name: "post", Signature: "(url: string, body?: string, options?: perigee.PostOptions): perigee.Response?, string?",
			Doc: "Makes a POST request; otherwise like http.request. The option json sends a table as JSON instead of a body.",
			Run: func(L *lua.LState) int {
				options := shortOptions(L, 3, "headers", "timeout", "json")
				options.RawSetString("method", lua.LString(http.MethodPost))
				options.RawSetString("url", L.CheckAny(1))
				options.RawSetString("body", L.Get(2))
				return h.request(L, options)
			},
		},
		{
			Name: "escape", Signature: "(text: string|number): string",
			Doc: "Returns a text escaped for a URL, as one segment of the path or one value of the query.",
			Run: func(L *lua.LState) int {
				return api.Push(L, lua.LString(strings.ReplaceAll(url.QueryEscape(L.CheckString(1)), "+", "%20")))
			},
		},
	}
}

// shortOptions returns a copy of the n-th argument, which must be a table of the known options or nil.
func shortOptions(L *lua.LState, n int, known ...string) *lua.LTable {
	given, options := L.OptTable(n, L.NewTable()), L.NewTable()
	api.Raise(L, api.CheckOptions(given, known...))
	given.ForEach(options.RawSet)
	return options
}

// request makes a request and waits for the response.
func (h *HTTP) request(L *lua.LState, options *lua.LTable) int {
	request := h.requestOf(L, options)
	request.Owner = h.options.Owner()
	var response fetch.Response
	var failure error
	release := func() {}
	defer func() { release() }()
	h.options.Wait(L, func(wake func()) func() {
		release = h.options.Fetch(request, func(r fetch.Response, err error) {
			response, failure = r, err
			wake()
		})
		return release
	})
	if failure != nil {
		reason := "failed"
		if known, ok := errors.AsType[*fetch.Error](failure); ok {
			reason = known.Reason
		}
		h.options.Log.Debug("script: request failed", "handler", api.Caller(L).Name, "place", api.CallSite(L), "error", failure)
		L.Push(lua.LNil)
		L.Push(lua.LString(reason))
		return 2
	}
	headers := L.NewTable()
	for name, values := range response.Header {
		headers.RawSetString(strings.ToLower(name), lua.LString(strings.Join(values, ", ")))
	}
	result := L.NewTable()
	result.RawSetString("status", lua.LNumber(response.Status))
	result.RawSetString("headers", headers)
	result.RawSetString("body", lua.LString(response.Body))
	result.Metatable = h.responses
	return api.Push(L, result)
}

// requestOf reads the options of a request and raises errors.
func (h *HTTP) requestOf(L *lua.LState, options *lua.LTable) fetch.Request {
	target, err := api.Option[lua.LString](options, "url", "a string")
	api.Raise(L, err)
	if options.RawGetString("url") == lua.LNil {
		L.RaiseError("url is missing")
	}
	method, err := api.Option[lua.LString](options, "method", "a string")
	api.Raise(L, err)
	body, err := api.Option[lua.LString](options, "body", "a string")
	if err != nil {
		L.RaiseError("%s; json = sends a table", err)
	}
	timeout, err := api.Option[lua.LNumber](options, "timeout", "milliseconds")
	api.Raise(L, err)
	if options.RawGetString("timeout") != lua.LNil && !(timeout >= 1 && timeout <= 24*3600*1000) {
		L.RaiseError("timeout must be milliseconds, from 1 to a day")
	}
	r := fetch.Request{
		URL: string(target), Method: string(method), Header: http.Header{}, Body: []byte(body),
		Timeout: time.Duration(float64(timeout) * float64(time.Millisecond)),
	}
	if given := options.RawGetString("json"); given != lua.LNil {
		if options.RawGetString("body") != lua.LNil {
			L.RaiseError("body and json cannot both be sent")
		}
		if r.Body, err = value.Append(nil, given, h.options.JSON); err != nil {
			L.RaiseError("json: %s", api.Sentence(err))
		}
		r.Header.Set("Content-Type", "application/json")
	}
	headers, err := api.Option[*lua.LTable](options, "headers", "a table")
	api.Raise(L, err)
	if headers != nil {
		api.Raise(L, setHeaders(r.Header, headers))
	}
	return r
}

// setHeaders sets the headers of the headers option.
func setHeaders(header http.Header, given *lua.LTable) error {
	var err error
	given.ForEach(func(name, v lua.LValue) {
		if _, ok := name.(lua.LString); !ok || !lua.LVCanConvToString(v) {
			err = fmt.Errorf("headers must be strings by name, not a %s by a %s", v.Type(), name.Type())
			return
		}
		header.Set(name.String(), operator.TextOf(v))
	})
	return err
}

// responseFields describe the fields that request sets; a response is a plain table.
func responseFields() []api.Field {
	return []api.Field{
		{Name: "status", Type: "integer", Doc: "The status code, such as 200."},
		{Name: "headers", Type: "table<string, string>", Doc: "The headers by their names in lower case. Several values are joined with a comma."},
		{Name: "body", Type: "string", Doc: "The body."},
	}
}

// methods are those of a response.
func (h *HTTP) methods() []api.Function {
	return []api.Function{
		{Name: "json", Signature: "(): any, string?", Doc: "Returns the value of the body, or nil and the reason if it is not JSON.", Run: func(L *lua.LState) int {
			body, ok := L.CheckTable(1).RawGetString("body").(lua.LString)
			if !ok {
				L.RaiseError("json is a method: write response:json() with a colon")
			}
			limits := h.options.JSON
			limits.Turn = L.Context()
			return pushDecoded(L, string(body), limits)
		}},
	}
}
