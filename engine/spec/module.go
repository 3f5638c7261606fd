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

// maxAdvance is how far spec.advance can move the clock in one call.
const maxAdvance = 366 * 24 * time.Hour

// runningServer returns the server of the running example, which has loaded its scripts.
func (f *file) runningServer(L *lua.LState) *harness.Server {
	if f.server == nil {
		L.RaiseError("this can be called only within it, before_each or after_each")
	}
	raise(L, f.loadScripts())
	return f.server
}

// addFake adds a fake to the server of the running example, or to that of each example of the suite whose function runs.
func (f *file) addFake(L *lua.LState, add func(s *harness.Server) error) {
	if f.server != nil {
		f.loading.faked = true
		raise(L, add(f.server))
		return
	}
	place := api.CallSite(L)
	f.suite.fakes = append(f.suite.fakes, func(s *harness.Server) error {
		if err := add(s); err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		return nil
	})
}

// start () loads the scripts and runs their boot.
func (f *file) start(L *lua.LState) int {
	f.runningServer(L)
	return 0
}

// stop () stops the server as SIGTERM does.
func (f *file) stop(L *lua.LState) int {
	raise(L, f.runningServer(L).Stop())
	return 0
}

// raise raises err, unless it is nil, with its place in the spec.
func raise(L *lua.LState, err error) {
	if err != nil {
		L.RaiseError("%s", strings.TrimPrefix(err.Error(), "value: "))
	}
}

// pushJSON pushes a decoded JSON text.
func pushJSON(L *lua.LState, text []byte) int {
	v, err := value.Decode(text, value.Limits{}, value.Null())
	raise(L, err)
	L.Push(v)
	return 1
}

// toServer copies a value of the spec for the Lua VM of the application.
func toServer(v lua.LValue) (value.Value, error) {
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

// advance (ms) advances the clock and runs everything that becomes due.
func (f *file) advance(L *lua.LState) int {
	ms := float64(L.CheckNumber(1))
	if !(ms >= 0 && ms <= float64(maxAdvance.Milliseconds())) {
		L.ArgError(1, "milliseconds, from 0 to a year")
	}
	raise(L, f.runningServer(L).Advance(time.Duration(ms*float64(time.Millisecond))))
	return 0
}

// runCommand (command, arguments) runs a command and returns its result.
func (f *file) runCommand(L *lua.LState) int {
	s, name := f.runningServer(L), L.CheckString(1)
	arguments, err := toServer(L.Get(2))
	raise(L, err)
	text, err := s.Run(name, arguments)
	if errors.Is(err, harness.ErrStillWaiting) {
		err = fmt.Errorf("%w; spec.run is for commands that do not wait", err)
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
	text, err := f.runningServer(L).State(L.CheckString(1))
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

// http (url, stub) sets the response to the scripts' requests to a URL, in which "*" matches any text.
func (f *file) http(L *lua.LState) int {
	url, given := L.CheckString(1), L.OptTable(2, L.NewTable())
	stub := harness.Stub{URL: url, Response: fetch.Response{Status: http.StatusOK, Header: http.Header{}}}
	for key, v := range members(given) {
		if err := setStub(&stub, key.String(), v); err != nil {
			L.ArgError(2, err.Error())
		}
	}
	f.addFake(L, func(s *harness.Server) error {
		s.AddStub(stub)
		return nil
	})
	return 0
}

// setStub sets a field.
func setStub(stub *harness.Stub, field string, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LNumber:
		if field == "status" {
			stub.Response.Status = int(v)
			return nil
		}
	case lua.LString:
		if field == "body" {
			stub.Response.Body = []byte(v)
			return nil
		}
		if field == "reason" {
			if !slices.Contains(fetch.Reasons(), string(v)) {
				return fmt.Errorf("%q is not a reason why requests fail; there are %s", string(v), strings.Join(fetch.Reasons(), ", "))
			}
			stub.Failure = fetch.Failure(string(v))
			return nil
		}
	case *lua.LTable:
		if field == "headers" {
			for name, text := range members(v) {
				stub.Response.Header.Set(name.String(), text.String())
			}
			return nil
		}
		if field == "json" {
			var err error
			stub.Response.Body, err = value.Append(nil, v, value.Limits{})
			return err
		}
	}
	return fmt.Errorf("a response has status, a number; body, a string, or json, a table; headers, a table; or only reason, a string, if the request fails; not %s, a %s",
		field, v.Type())
}

// putJob (body, tube) puts a job as another program does.
func (f *file) putJob(L *lua.LState) int {
	if L.Get(1).Type() == lua.LTTable || L.Get(2).Type() == lua.LTTable {
		L.RaiseError(`spec.job takes the body of a job as text: write spec.job(json.encode({ job = "Ring", data = { by = "ann" } }))`)
	}
	f.runningServer(L).PutJob([]byte(L.CheckString(1)), L.OptString(2, f.options.Config.Queue.Name))
	return 0
}

// jobList () returns the jobs that have not run, in the order of the queue.
func (f *file) jobList(L *lua.LState) int {
	s, list := f.runningServer(L), L.NewTable()
	for _, j := range s.PendingJobs() {
		row := L.NewTable()
		if j.Body != nil {
			row.RawSetString("body", lua.LString(j.Body))
		} else {
			arguments, err := value.Decode(j.Arguments, value.Limits{}, value.Null())
			raise(L, err)
			row.RawSetString("command", lua.LString(j.Command))
			row.RawSetString("arguments", arguments)
		}
		row.RawSetString("delay", lua.LNumber(j.Delay.Milliseconds()))
		row.RawSetString("priority", lua.LNumber(j.Priority))
		list.Append(row)
	}
	L.Push(list)
	return 1
}

// runJobs () runs the jobs that are due and returns their number.
func (f *file) runJobs(L *lua.LState) int {
	count, err := f.runningServer(L).RunJobs()
	raise(L, err)
	L.Push(lua.LNumber(count))
	return 1
}

// errors () returns the errors of the scripts since its last call, as a list of strings. They no longer fail the example.
func (f *file) errors(L *lua.LState) int {
	f.runningServer(L)
	list := L.NewTable()
	for _, failure := range f.log.TakeErrors() {
		list.Append(lua.LString(errorText(failure)))
	}
	L.Push(list)
	return 1
}

// errorText returns the text of an error of the server, with the names that the spec uses.
func errorText(err error) string {
	if request, ok := errors.AsType[harness.MissingStub](err); ok {
		return fmt.Sprintf("the scripts make a request without a stub of spec.http: %s %s", request.Method, request.URL)
	}
	if start, ok := errors.AsType[harness.MissingFake](err); ok {
		return fmt.Sprintf("the scripts start the program %q without a fake of spec.process", start.Program)
	}
	return err.Error()
}

// setManager (name) chooses the manager for all examples of the file.
func (f *file) setManager(L *lua.LState) int {
	f.currentSuite(L, "spec.manager")
	f.manager = L.CheckString(1)
	return 0
}

// reload ([directory]) reads the scripts again, from another directory beside that of the settings, if given. It returns true, or
// nil and the error, and the previous scripts stay.
func (f *file) reload(L *lua.LState) int {
	s, dir := f.runningServer(L), L.OptString(1, "")
	if dir != "" {
		dir = filepath.Join(filepath.Dir(f.options.Config.Lua.Path), dir)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return api.PushResult(L, lua.LTrue, errors.New("there is no directory "+dir))
		}
	}
	return api.PushResult(L, lua.LTrue, s.Load(dir))
}
