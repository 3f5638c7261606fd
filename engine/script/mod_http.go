package script

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/fetch"
	"perigee/engine/script/value"
)

// httpFunctions are the module http.
func (p *Program) httpFunctions() []function {
	return []function{
		{
			"request", "(options: perigee.RequestOptions): perigee.Response?, string?",
			"Waits for the answer to a request; returns nil and the reason where there is none.",
			func(L *lua.LState) int {
				options := L.CheckTable(1)
				raise(L, checkOptions(options, "method", "url", "headers", "body", "json", "timeout"))
				return p.request(L, options)
			},
		},
		{
			"get", "(url: string, options?: perigee.GetOptions): perigee.Response?, string?",
			"Waits for the answer to a GET.",
			func(L *lua.LState) int {
				options := shortOptions(L, 2, "headers", "timeout")
				options.RawSetString("url", L.CheckAny(1))
				return p.request(L, options)
			},
		},
		{
			"post", "(url: string, body?: string, options?: perigee.PostOptions): perigee.Response?, string?",
			"Waits for the answer to a POST.",
			func(L *lua.LState) int {
				options := shortOptions(L, 3, "headers", "timeout", "json")
				options.RawSetString("method", lua.LString(http.MethodPost))
				options.RawSetString("url", L.CheckAny(1))
				options.RawSetString("body", L.Get(2))
				return p.request(L, options)
			},
		},
	}
}

// shortOptions returns a copy of the n-th argument, a table of options or nothing.
func shortOptions(L *lua.LState, n int, known ...string) *lua.LTable {
	given, options := L.OptTable(n, L.NewTable()), L.NewTable()
	raise(L, checkOptions(given, known...))
	given.ForEach(options.RawSet)
	return options
}

// request waits for the answer to a request: a table, or nil and the reason why there is none.
func (p *Program) request(L *lua.LState, options *lua.LTable) int {
	request, err := p.requestOf(options)
	raise(L, err)
	var response fetch.Response
	var failure error
	p.wait(L, p.options.AwaitTimeout, func(wake func()) func() {
		return p.options.Fetch(request, func(r fetch.Response, err error) {
			response, failure = r, err
			wake()
		})
	})
	if failure != nil {
		reason := "failed"
		if known, ok := errors.AsType[*fetch.Error](failure); ok {
			reason = known.Reason
		}
		p.options.Log.Debug("script: request failed", "handler", caller(L).name, "place", Where(L), "error", failure)
		L.Push(lua.LNil)
		L.Push(lua.LString(reason))
		return 2
	}
	headers := L.NewTable()
	for name, values := range response.Header {
		headers.RawSetString(strings.ToLower(name), lua.LString(strings.Join(values, ", ")))
	}
	answer := L.NewTable()
	answer.RawSetString("status", lua.LNumber(response.Status))
	answer.RawSetString("headers", headers)
	answer.RawSetString("body", lua.LString(response.Body))
	answer.Metatable = p.responses
	L.Push(answer)
	return 1
}

// requestOf reads the options of a request. What is of the wrong kind is a mistake of the script.
func (p *Program) requestOf(options *lua.LTable) (fetch.Request, error) {
	r := fetch.Request{Header: http.Header{}}
	var err error
	if r.URL, err = textOption(options, "url"); err != nil {
		return r, err
	}
	if options.RawGetString("url") == lua.LNil {
		return r, errors.New("url is missing")
	}
	if r.Method, err = textOption(options, "method"); err != nil {
		return r, err
	}
	body, err := textOption(options, "body")
	if err != nil {
		return r, fmt.Errorf("%w; json = sends a table", err)
	}
	r.Body = []byte(body)
	switch timeout := options.RawGetString("timeout").(type) {
	case *lua.LNilType:
	case lua.LNumber:
		if !(timeout >= 1 && timeout <= 24*3600*1000) {
			return r, errors.New("timeout must be milliseconds, from 1 to a day")
		}
		r.Timeout = time.Duration(float64(timeout) * float64(time.Millisecond))
	default:
		return r, fmt.Errorf("timeout must be milliseconds, not a %s", timeout.Type())
	}
	if given := options.RawGetString("json"); given != lua.LNil {
		if options.RawGetString("body") != lua.LNil {
			return r, errors.New("body and json cannot both be sent")
		}
		if r.Body, err = value.Append(nil, given, p.httpJSON()); err != nil {
			return r, fmt.Errorf("json: %w", err)
		}
		r.Header.Set("Content-Type", "application/json")
	}
	return r, setHeaders(r.Header, options.RawGetString("headers"))
}

// httpJSON bounds what is sent to and read from servers: how many keys, the size of a body bounds.
func (p *Program) httpJSON() value.Limits { return value.Limits{Depth: p.options.JSON.Depth} }

// textOption returns an option that is a string; "" where there is none.
func textOption(options *lua.LTable, name string) (string, error) {
	switch v := options.RawGetString(name).(type) {
	case *lua.LNilType:
		return "", nil
	case lua.LString:
		return string(v), nil
	default:
		return "", fmt.Errorf("%s must be a string, not a %s", name, v.Type())
	}
}

// setHeaders adds what the headers option says.
func setHeaders(header http.Header, given lua.LValue) error {
	if given == lua.LNil {
		return nil
	}
	table, ok := given.(*lua.LTable)
	if !ok {
		return fmt.Errorf("headers must be a table, not a %s", given.Type())
	}
	var err error
	table.ForEach(func(name, v lua.LValue) {
		if _, ok := name.(lua.LString); !ok || !lua.LVCanConvToString(v) {
			err = fmt.Errorf("headers must be strings by name, not a %s by a %s", v.Type(), name.Type())
			return
		}
		header.Set(name.String(), v.String())
	})
	return err
}

// responseFields are those that request sets; the answer is a plain table.
func responseFields() []field {
	return []field{
		{"status", "integer", "As in 200.", nil},
		{"headers", "table<string, string>", "By lower-case name.", nil},
		{"body", "string", "As it was sent.", nil},
	}
}

// responseMethods are those of what a request returns.
func (p *Program) responseMethods() []function {
	return []function{
		{"json", "(): any, string?", "Decodes the body; returns nil and the reason where it is no JSON.", func(L *lua.LState) int {
			body, ok := L.CheckTable(1).RawGetString("body").(lua.LString)
			if !ok {
				L.RaiseError("json is a method: write response:json() with a colon")
			}
			return pushDecoded(L, string(body), p.httpJSON())
		}},
	}
}
