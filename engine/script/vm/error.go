package vm

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
	"perigee/engine/script/compile"
	"perigee/engine/script/operator"
	"perigee/engine/script/stdlib"
	"perigee/engine/script/value"
	"perigee/engine/script/varinfo"
)

// Limits of an Error.
const (
	maxMessage = logging.MaxValue - 256 // bytes; leaves room in the log for the text of wrapping errors
	maxTrace   = 30                     // lines
	shownDepth = 4                      // levels of a raised table
	shownKeys  = 50                     // fields of a raised table
)

const overflowText = "stack overflow"

// Error is the error of a call.
type Error struct {
	// Message begins with the place: "scripts/x.lua:3: text". It is shortened to fit the log.
	Message string
	// Traceback has one line for each active function, the innermost first, at most 30.
	Traceback string
	// Value is the raised value.
	Value lua.LValue
	// Cause is ErrTimeout, ErrMemory, ErrStopped, that of RaiseCause, or nil.
	Cause error

	place string // the innermost place in Lua, "scripts/x.lua:3:"; "" if no Lua ran on the thread
	bare  bool   // Value lacks its place: a Go function raised it that no Lua code had called
	lines int    // of Traceback
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Place returns the place in Lua, "scripts/x.lua:3", even if Message does not begin with it; "" if no Lua ran.
func (e *Error) Place() string { return strings.TrimSuffix(e.place, ":") }

// Raise raises err in L, for a Go function that L's code has called. It does not return. An *Error, from a nested Call, keeps its
// value and traceback.
func Raise(L *lua.LState, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		L.RaiseError("%s", err.Error())
	}
	if place := placeOf(L); e.place == "" && place != "" {
		e.Value, e.bare = e.valueFor(L), false
		if e.Message != "" {
			e.Message = place + " " + e.Message
		}
		e.place = place
	}
	panic(e)
}

// RaiseCause raises an error with this text and cause in L, for a Go function that L's code has called. It does not return.
func RaiseCause(L *lua.LState, text string, cause error) {
	e := errorAt(L, text)
	e.Cause = cause
	panic(e)
}

// errorAt returns an error of one of our functions that L has called.
func errorAt(L *lua.LState, text string) *Error {
	e := &Error{place: placeOf(L)}
	e.setText(text)
	return e
}

// setText sets the value to one of our messages.
func (e *Error) setText(text string) {
	e.bare = e.place == ""
	e.Value = lua.LString(strings.TrimSpace(e.place + " " + text))
}

// argumentError returns the error for a wrong type of the n-th argument of one of our functions.
func argumentError(L *lua.LState, n int, name, kind string) *Error {
	got := "no value"
	if n <= L.GetTop() {
		got = L.Get(n).Type().String()
	}
	return errorAt(L, fmt.Sprintf("bad argument #%d to '%s' (%s expected, got %s)", n, name, kind, got))
}

// valueFor returns the raised value for code on L.
func (e *Error) valueFor(L *lua.LState) lua.LValue {
	if !e.bare {
		return e.Value
	}
	return lua.LString(strings.TrimSpace(placeOf(L) + " " + e.Value.String()))
}

// errorFrom returns the Error of a recovered value. The frames of t must still be there.
func (t *thread) errorFrom(value any) *Error {
	cause := t.limits.cause()
	e, ok := value.(*Error)
	if !ok || cause != nil && e.Cause == nil {
		e = &Error{Value: lua.LNil, Cause: cause, place: placeOf(t.L)}
		switch raised, ok := value.(*lua.ApiError); {
		case cause != nil:
			e.setText(cause.Error())
			e.Message = e.Value.String()
		case ok:
			t.setRaised(e, raised.Object)
		default:
			t.panicked = true
			e.setText(t.panicText(e, value))
		}
	}
	if t.trace || cause != nil {
		e.addTrace(t.L)
	}
	return e
}

// setRaised sets the value to one that gopher-lua or a library function has raised, in the wording of Lua.
func (t *thread) setRaised(e *Error, value lua.LValue) {
	text, ok := value.(lua.LString)
	if !ok {
		if value != nil {
			e.Value = value
		}
		return
	}
	// This is how gopher-lua reports that a thread has too many values.
	if strings.HasSuffix(string(text), "registry overflow") {
		e.setText(overflowText)
		return
	}
	if e.place == "" {
		if e.bare = !t.vm.raisedByScript(t.L); e.bare {
			text = lua.LString(strings.TrimPrefix(string(text), " "))
		}
	}
	if said, ok := strings.CutPrefix(string(text), e.place+" "); ok && e.place != "" {
		text = lua.LString(e.place + " " + varinfo.AddNames(t.L, said, stdlib.Instead))
	}
	e.Value = text
}

// raisedByScript reports whether a script raised the value, so that it must not be changed.
func (v *VM) raisedByScript(L *lua.LState) bool {
	d, ok := L.GetStack(0)
	if !ok {
		return false
	}
	fn, err := L.GetInfo("f", d, nil)
	return err == nil && (fn == v.raisers[0] || fn == v.raisers[1])
}

// panicText returns the message of a Go panic for scripts. The traceback gets the panic itself.
func (t *thread) panicText(e *Error, value any) string {
	// gopher-lua panics with this, or in its own error handling, if a thread is full.
	if value == "lua callstack overflow" || t.calls.isFull() {
		return overflowText
	}
	text, _, _ := strings.Cut(fmt.Sprint(value), "\n")
	e.addLine(fmt.Sprintf("[Go]: panic: %.200s (%s)", text, panicSite()))
	return "internal error"
}

// panicSite returns the place in Go that panicked. It must be called below the deferred function.
func panicSite() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicked := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicked && !inRuntime {
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
		if !more {
			return "?"
		}
	}
}

// describe completes an error for the owner of the machine. outer is the thread of the calling code.
func (v *VM) describe(e *Error, outer *thread, call any) *Error {
	if e.Message != "" {
		return e
	}
	text := strings.TrimSpace(v.text(e.Value, outer, call))
	if e.place != "" && !hasPlace(text) {
		text = e.place + " " + text
	}
	e.Message = strings.ToValidUTF8(logging.Clip(text, maxMessage), "\uFFFD")
	return e
}

// text returns a raised value as text. It calls __tostring, which may do anything.
func (v *VM) text(raised lua.LValue, outer *thread, call any) string {
	if lua.LVCanConvToString(raised) {
		return operator.TextOf(raised)
	}
	plain := fmt.Sprintf("(error object is a %s value)", raised.Type())
	tostring := v.main.GetMetaField(raised, "__tostring")
	if tostring == lua.LNil {
		return asJSON(raised, plain)
	}
	t := v.getThread(outer)
	if outer == nil {
		t.call, t.inCoroutine = call, false
	}
	t.push(tostring)
	t.L.Push(raised)
	if err := t.run(1, 1, false); err != nil {
		return plain
	}
	result, ok := t.L.Get(1).(lua.LString)
	v.putThread(t)
	if !ok {
		return plain
	}
	return string(result)
}

// asJSON returns a small table of plain data as JSON, and otherwise for any other value.
func asJSON(v lua.LValue, otherwise string) string {
	if v.Type() != lua.LTTable {
		return otherwise
	}
	text, err := value.Append(nil, v, value.Limits{Depth: shownDepth, Keys: shownKeys})
	if err != nil {
		return otherwise
	}
	return string(text)
}

// hasPlace reports whether a message begins with a file and a line.
func hasPlace(text string) bool {
	_, rest, _ := strings.Cut(text, ":")
	number, _, ok := strings.Cut(rest, ":")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// placeOf returns the innermost place in Lua on L, "scripts/x.lua:3:", or "".
func placeOf(L *lua.LState) string {
	place := ""
	eachFrame(L, func(d *lua.Debug) bool {
		if d.CurrentLine >= 0 {
			place = fmt.Sprintf("%s:%d:", d.Source, d.CurrentLine)
		}
		return place == ""
	})
	return place
}

// addTrace adds the functions on L to the traceback.
func (e *Error) addTrace(L *lua.LState) {
	eachFrame(L, func(d *lua.Debug) bool {
		switch {
		case d.CurrentLine < 0 && d.What == "main": // ours: thread.entryPoint
		case d.CurrentLine < 0:
			e.addLine("[Go]: in " + functionName(d))
		default:
			e.addLine(fmt.Sprintf("%s:%d: in %s", d.Source, d.CurrentLine, functionName(d)))
		}
		return e.lines < maxTrace
	})
}

func (e *Error) addLine(line string) {
	if e.lines == maxTrace {
		return
	}
	if e.lines++; e.lines == maxTrace {
		line = "..."
	}
	if e.Traceback != "" {
		e.Traceback += "\n"
	}
	e.Traceback += line
}

func functionName(d *lua.Debug) string {
	switch {
	case d.CurrentLine >= 0 && d.LineDefined == 0:
		return "main chunk"
	case d.Name == compile.ConcatFunction:
		return "operator '..'"
	case d.Name == "" || d.Name == "?" || strings.HasPrefix(d.Name, compile.OperandsPrefix) || d.Name == "(anonymous)":
		return "?"
	case strings.HasPrefix(d.Name, "<"):
		return "function " + d.Name
	}
	return "function '" + d.Name + "'"
}

// eachFrame calls see for each active function of L, the innermost first, until it returns false.
func eachFrame(L *lua.LState, see func(d *lua.Debug) bool) {
	// A frame may be half-initialised when gopher-lua raises an error, so panics are ignored.
	defer func() { _ = recover() }()
	for level := 0; ; {
		d, ok := L.GetStack(level)
		if !ok {
			return
		}
		if _, err := L.GetInfo("nSl", d, nil); err != nil || !see(d) {
			return
		}
		level += 1 + tailCalls(d)
	}
}

// tailCalls returns the number of tail calls of a frame: gopher-lua counts each as a level.
func tailCalls(d *lua.Debug) int {
	if d.CurrentLine < 0 {
		return 0
	}
	frame := reflect.ValueOf(d).Elem().FieldByName("frame")
	if !frame.IsValid() || frame.IsNil() {
		return 0
	}
	if count := frame.Elem().FieldByName("TailCall"); count.IsValid() {
		return int(count.Int())
	}
	return 0
}
