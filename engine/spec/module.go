package spec

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/fetch"
	"perigee/engine/script/api"
	"perigee/engine/script/value"
	"perigee/engine/spec/harness"
)

// maxAdvance is how far spec.advance moves the clock at once.
const maxAdvance = 366 * 24 * time.Hour

// module is what require "spec" returns.
func (f *file) module() *lua.LTable {
	return f.table("spec", map[string]lua.LGFunction{
		"client":  f.openClient,
		"advance": f.advance,
		"run":     f.runCommand,
		"state":   f.state,
		"http":    f.http,
		"errors":  f.errors,
		"jobs":    f.jobList,
		"work":    f.doJobs,
		"manager": f.setManager,
		"process": f.process,
		"reload":  f.reload,
	})
}

// present returns the server of the example that runs.
func (f *file) present(L *lua.LState) *harness.Server {
	if f.server == nil {
		L.RaiseError("there is a server only within it, before_each and after_each")
	}
	return f.server
}

// raise raises an error, if there is one, with the place in the spec.
func raise(L *lua.LState, err error) {
	if err != nil {
		L.RaiseError("%s", strings.TrimPrefix(err.Error(), "value: "))
	}
}

// pushJSON pushes what JSON means.
func pushJSON(L *lua.LState, text []byte) int {
	v, err := value.Decode(text, value.Limits{}, value.Null())
	raise(L, err)
	L.Push(v)
	return 1
}

// cross makes of a value of the spec one of the application.
func cross(v lua.LValue) (value.Value, error) {
	if v == lua.LNil {
		return value.Value{LValue: lua.LNil}, nil
	}
	text, err := value.Append(nil, v, value.Limits{})
	if err != nil {
		return value.Value{}, err
	}
	there, err := value.Decode(text, value.Limits{}, nil)
	return value.Value{LValue: there}, err
}

// advance (ms) moves the clock and runs what falls due.
func (f *file) advance(L *lua.LState) int {
	ms := float64(L.CheckNumber(1))
	if !(ms >= 0 && ms <= float64(maxAdvance.Milliseconds())) {
		L.ArgError(1, "milliseconds, 0 or more, up to a year")
	}
	raise(L, f.present(L).Advance(time.Duration(ms*float64(time.Millisecond))))
	return 0
}

// runCommand (command, arguments) runs a command and returns its result.
func (f *file) runCommand(L *lua.LState) int {
	s, name := f.present(L), L.CheckString(1)
	arguments, err := cross(L.Get(2))
	raise(L, err)
	text, err := s.Run(name, arguments)
	if errors.Is(err, harness.ErrWaits) {
		err = fmt.Errorf("%w; spec.run is for commands that end at once", err)
	}
	raise(L, err)
	if text == nil || string(text) == "null" {
		L.Push(lua.LNil)
		return 1
	}
	return pushJSON(L, text)
}

// state (name) returns a copy of a state of the scripts, or nil.
func (f *file) state(L *lua.LState) int {
	text, err := f.present(L).State(L.CheckString(1))
	raise(L, err)
	if text == nil {
		L.Push(lua.LNil)
		return 1
	}
	v, err := value.Restore(text)
	raise(L, err)
	L.Push(v)
	return 1
}

// http (url, answer) answers the scripts' requests to a URL, in which "*" stands for anything.
func (f *file) http(L *lua.LState) int {
	s, url, given := f.present(L), L.CheckString(1), L.OptTable(2, L.NewTable())
	a := answer{URL: url, Response: fetch.Response{Status: http.StatusOK, Header: http.Header{}}}
	for key, v := range members(given) {
		if err := a.set(key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	s.Answer(harness.Answer(a))
	return 0
}

// answer is what a spec has another server say.
type answer harness.Answer

// set takes one field of an answer.
func (a *answer) set(field string, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LNumber:
		if field == "status" {
			a.Response.Status = int(v)
			return nil
		}
	case lua.LString:
		if field == "body" {
			a.Response.Body = []byte(v)
			return nil
		}
		if field == "reason" {
			if !slices.Contains(fetch.Reasons(), string(v)) {
				return fmt.Errorf("%q is no reason that a request can have; there are %s", string(v), strings.Join(fetch.Reasons(), ", "))
			}
			a.Failure = fetch.Failure(string(v))
			return nil
		}
	case *lua.LTable:
		if field == "headers" {
			for name, text := range members(v) {
				a.Response.Header.Set(name.String(), text.String())
			}
			return nil
		}
		if field == "json" {
			var err error
			a.Response.Body, err = value.Append(nil, v, value.Limits{})
			return err
		}
	}
	return fmt.Errorf("an answer has status, a number; body, a string, or json, a table; headers, a table; or instead reason, a string, why there is none; not %s, a %s",
		field, v.Type())
}

// errors () returns what went wrong in the scripts since the last time, as a list of texts; it fails the example no more.
func (f *file) errors(L *lua.LState) int {
	f.present(L)
	list := L.NewTable()
	for _, fault := range f.journal.Take() {
		list.Append(lua.LString(worded(fault)))
	}
	L.Push(list)
	return 1
}

// worded is what went wrong on the stage, in words of the spec.
func worded(fault error) string {
	if request, ok := errors.AsType[harness.Unanswered](fault); ok {
		return fmt.Sprintf("no spec.http answers the scripts' request %s %s", request.Method, request.URL)
	}
	if start, ok := errors.AsType[harness.Unplayed](fault); ok {
		return fmt.Sprintf("no spec.process plays the program %q, which the scripts start", start.Program)
	}
	return fault.Error()
}

// setManager (name) chooses the manager for all examples of the file.
func (f *file) setManager(L *lua.LState) int {
	f.describing(L, "spec.manager")
	f.manager = L.CheckString(1)
	return 0
}

// reload ([folder]) has the scripts read again, from another folder if one is given, beside that of the settings. It returns
// true, or nil and why the scripts before go on.
func (f *file) reload(L *lua.LState) int {
	s, folder := f.present(L), L.OptString(1, "")
	if folder != "" {
		folder = filepath.Join(filepath.Dir(f.options.Config.Lua.Path), folder)
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return api.PushResult(L, errors.New("there is no folder "+folder))
		}
	}
	return api.PushResult(L, s.Reload(folder))
}
