package api

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/loop"
	"perigee/engine/script/value"
	"perigee/engine/script/vm"
)

// Call describes the call of a function of the scripts.
type Call struct {
	Name    string // in the log
	Message Message
	// Limit is the setting that bounds its time; "" means lua.turn_timeout.
	Limit string

	function *lua.LFunction // that Run calls; nil if it is a function of the server
}

// Message is the message of a client that a call handles. It is the zero value if the call handles none.
type Message struct {
	Text []byte // the frame
	ID   string // the client's id of it; "" if it has none
	From any    // the connection that sent it
}

// Run runs a function of the scripts as one protected call. timeout bounds each slice of it; 0 means the limit of a turn. The
// error is an *Error.
func (c *Call) Run(machine *vm.VM, timeout time.Duration, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	if f, ok := fn.(*lua.LFunction); ok && !f.IsG {
		c.function = f
	}
	v, err := machine.Call(c, timeout, fn, args...)
	return v, c.wrap(err)
}

// Defined returns the place of the definition of the function that the call runs; file is "" if that is a function of the server.
func (c *Call) Defined() (file string, line int) {
	return DefinedAt(c.function)
}

// DefinedAt returns the place of the definition of a function; file is "" if it is nil or a function of the server.
func DefinedAt(fn *lua.LFunction) (file string, line int) {
	if fn == nil || fn.IsG {
		return "", 0
	}
	return fn.Proto.SourceName, fn.Proto.LineDefined
}

// Caller returns the call that L's code runs in.
func Caller(L *lua.LState) *Call {
	c, ok := vm.Caller(L).(*Call)
	if !ok {
		return &Call{Name: "?"}
	}
	return c
}

// CallSite returns the line of the scripts that called the present Go function: "scripts/chat.lua:12".
func CallSite(L *lua.LState) string {
	debug, ok := L.GetStack(1)
	if !ok {
		return "?"
	}
	if _, err := L.GetInfo("Sl", debug, lua.LNil); err != nil {
		return "?"
	}
	return debug.Source + ":" + strconv.Itoa(debug.CurrentLine)
}

// Error is an error of a script. It never reaches a client.
type Error struct {
	// Name is that of the message, command, timer or hook.
	Name string
	// Message begins with file and line: "scripts/chat.lua:12: attempt to index nil".
	Message string
	place   string
	trace   string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Place is the line that raised the error, "scripts/chat.lua:12"; "" if it is unknown.
func (e *Error) Place() string { return e.place }

// Traceback lists the calls that led to the error, the innermost first.
func (e *Error) Traceback() string { return e.trace }

func (e *Error) Unwrap() error { return e.cause }

// wrap adds the name of the call to an error of the machine, and the setting whose limit ended the call. If the server stops,
// the cause is loop.ErrStopped.
func (c *Call) wrap(err error) error {
	if err == nil {
		return nil
	}
	failure, ok := errors.AsType[*vm.Error](err)
	if !ok {
		return fmt.Errorf("script: %s: %w", c.Name, err)
	}
	cause := failure.Cause
	message := failure.Message
	refusal, refused := ObjectOf[*Refusal](failure.Value)
	switch {
	case refused && cause == nil:
		cause, message = refusal, refusal.Reason
	case errors.Is(cause, vm.ErrStopped):
		cause = loop.ErrStopped
	case errors.Is(cause, vm.ErrMemory):
		message += " (lua.memory)"
	case errors.Is(cause, vm.ErrTimeout):
		message += " (" + cmp.Or(c.Limit, "lua.turn_timeout") + ")"
	}
	return &Error{Name: c.Name, Message: message, place: failure.Place(), trace: failure.Traceback, cause: cause}
}

// Raise raises a Go error in Lua, at the line of the call. An error of a script that a command returned keeps its own place, and
// its cause if that is a refusal or a refused wait. It does nothing if err is nil.
func Raise(L *lua.LState, err error) {
	switch failure := err.(type) { //nolint:errorlint // an error that wraps one has no place
	case nil:
	case *Error:
		if r, ok := failure.cause.(*Refusal); ok { //nolint:errorlint // wrap has set it
			L.Error(r.object, 0)
		}
		if errors.Is(failure.cause, loop.ErrTooManyWaiting) {
			vm.Raise(L, &vm.Error{Value: lua.LString(failure.Message), Cause: failure.cause})
		}
		L.Error(lua.LString(failure.Message), 0)
	default:
		L.RaiseError("%s", Sentence(err))
	}
}

// Sentence returns an error as the authors of scripts see it: without the path in a value.
func Sentence(err error) string {
	text := err.Error()
	if at, ok := errors.AsType[*value.PathError](err); ok {
		text = strings.Replace(text, at.Error(), at.Reason(), 1)
	}
	return text
}

// Wait suspends the handler that L runs until wake is called, and raises an error if the wait ends early; then it calls abort,
// unless that is nil. Any goroutine may call wake. promise.Runtime implements it.
type Wait func(L *lua.LState, start func(wake func()) (abort func()))
