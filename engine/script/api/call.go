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

// Call is what a function of the scripts is called for: how logs name it and the message it answers.
type Call struct {
	Name string
	Text []byte // the frame; nil where no message is handled
	// Limit is the setting that bounds its time; "" is lua.turn_timeout.
	Limit string
}

// Run runs a function of the scripts as one protected call, for as long as timeout lets it; 0 is as long as a turn may
// last. The error is an *Error.
func (c *Call) Run(machine *vm.VM, timeout time.Duration, fn lua.LValue, args ...lua.LValue) (lua.LValue, error) {
	v, err := machine.Call(c, timeout, fn, args...)
	return v, c.wrap(err)
}

// Caller returns what the handler that runs was called for.
func Caller(L *lua.LState) *Call {
	c, ok := vm.Caller(L).(*Call)
	if !ok {
		return &Call{Name: "?"}
	}
	return c
}

// Where returns the place in the scripts that called the Go function that runs: "scripts/chat.lua:12".
func Where(L *lua.LState) string {
	debug, ok := L.GetStack(1)
	if !ok {
		return "?"
	}
	if _, err := L.GetInfo("Sl", debug, lua.LNil); err != nil {
		return "?"
	}
	return debug.Source + ":" + strconv.Itoa(debug.CurrentLine)
}

// Error is what a script did wrong, with the place. It never reaches a client.
type Error struct {
	// Name is what ran: the message, command, timer or hook.
	Name string
	// Message begins with file and line: "scripts/chat.lua:12: attempt to index nil".
	Message string
	place   string
	trace   string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Place is the line that raised the error, "scripts/chat.lua:12", whatever it says; empty where none is known.
func (e *Error) Place() string { return e.place }

// Traceback lists the calls that led to the error, innermost first.
func (e *Error) Traceback() string { return e.trace }

func (e *Error) Unwrap() error { return e.cause }

// wrap gives a machine's error the name of what ran, and that of the setting that ended it. One that was cut off because
// the server stops is a loop.ErrStopped.
func (c *Call) wrap(err error) error {
	if err == nil {
		return nil
	}
	var failure *vm.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("script: %s: %w", c.Name, err)
	}
	cause := failure.Cause
	message := failure.Message
	switch {
	case errors.Is(cause, vm.ErrStopped):
		cause = loop.ErrStopped
	case errors.Is(cause, vm.ErrMemory):
		message += " (lua.memory)"
	case errors.Is(cause, vm.ErrTimeout):
		message += " (" + cmp.Or(c.Limit, "lua.turn_timeout") + ")"
	}
	return &Error{Name: c.Name, Message: message, place: failure.Place(), trace: failure.Traceback, cause: cause}
}

// Raise raises an error of Go as one of Lua, at the line that called. A Lua error that comes back from a command keeps its
// own place.
func Raise(L *lua.LState, err error) {
	switch failure := err.(type) { //nolint:errorlint // only an error that is itself of that type has a place of its own
	case nil:
	case *Error:
		L.Error(lua.LString(failure.Message), 0)
	default:
		L.RaiseError("%s", Reason(err))
	}
}

// Reason is what an error of Go says, without what means nothing to the author of a script: the names of packages.
func Reason(err error) string {
	text := err.Error()
	if at, ok := errors.AsType[*value.PathError](err); ok {
		text = strings.Replace(text, at.Error(), at.Reason(), 1)
	}
	for _, name := range []string{"script: ", "manager: ", "crowd: ", "auth: "} {
		text = strings.TrimPrefix(text, name)
	}
	return text
}
