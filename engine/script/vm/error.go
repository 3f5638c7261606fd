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
	"perigee/engine/script/value"
	"perigee/engine/script/varinfo"
)

// Bounds of what an Error says.
const (
	maxMessage = logging.MaxValue - 256 // bytes; the log has room for what wraps it
	maxTrace   = 30                     // lines
	shownDepth = 4                      // levels of a table that was raised
	shownKeys  = 50                     // fields of one
)

const overflowText = "stack overflow"

// Error is how a call failed.
type Error struct {
	// Message says where and what: "scripts/x.lua:3: text", cut where the log has no room for it.
	Message string
	// Traceback has one line for each function that ran, the innermost first, at most 30.
	Traceback string
	// Value is what was raised.
	Value lua.LValue
	// Cause is ErrTimeout, ErrMemory, ErrStopped or nil.
	Cause error

	where string // the innermost place in Lua, "scripts/x.lua:3:"; empty where no Lua ran on the thread
	bare  bool   // Value lacks a place that it should have: a Go function raised it that no Lua had called
	lines int    // of Traceback
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Place returns where in Lua it happened, whatever was raised: "scripts/x.lua:3"; empty where no Lua ran.
func (e *Error) Place() string { return strings.TrimSuffix(e.where, ":") }

// Raise raises err in L, for a Go function that L's code called; it does not return. An *Error, of a Call within this
// one, keeps its value and traceback.
func Raise(L *lua.LState, err error) {
	var e *Error
	if !errors.As(err, &e) {
		L.RaiseError("%s", err.Error())
	}
	if place := where(L); e.where == "" && place != "" {
		e.Value, e.bare = e.valueIn(L), false
		if e.Message != "" {
			e.Message = place + " " + e.Message
		}
		e.where = place
	}
	panic(e)
}

// refusal returns the error of a function of ours that L called.
func refusal(L *lua.LState, text string) *Error {
	e := &Error{where: where(L)}
	e.setText(text)
	return e
}

// setText makes e raise a text of ours.
func (e *Error) setText(text string) {
	e.bare = e.where == ""
	e.Value = lua.LString(strings.TrimSpace(e.where + " " + text))
}

// argument returns the error of a function of ours whose n-th argument is none of its kind.
func argument(L *lua.LState, n int, name, kind string) *Error {
	got := "no value"
	if n <= L.GetTop() {
		got = L.Get(n).Type().String()
	}
	return refusal(L, fmt.Sprintf("bad argument #%d to '%s' (%s expected, got %s)", n, name, kind, got))
}

// valueIn returns what was raised, for code on L to have.
func (e *Error) valueIn(L *lua.LState) lua.LValue {
	if !e.bare {
		return e.Value
	}
	return lua.LString(strings.TrimSpace(where(L) + " " + e.Value.String()))
}

// fail makes an Error of what was recovered, while the frames of t are still there.
func (t *thread) fail(value any) *Error {
	cause := t.limits.cause()
	e, ok := value.(*Error)
	if !ok || cause != nil && e.Cause == nil {
		e = &Error{Value: lua.LNil, Cause: cause, where: where(t.L)}
		switch raised, ok := value.(*lua.ApiError); {
		case cause != nil:
			e.setText(strings.TrimPrefix(cause.Error(), "vm: "))
			e.Message = e.Value.String()
		case ok:
			t.setRaised(e, raised.Object)
		default:
			t.broken = true
			e.setText(t.panicText(e, value))
		}
	}
	if t.trace || cause != nil {
		e.addTrace(t.L)
	}
	return e
}

// setRaised makes e raise what gopher-lua or a function of the library raised, in the words of Lua.
func (t *thread) setRaised(e *Error, value lua.LValue) {
	text, ok := value.(lua.LString)
	if !ok {
		if value != nil {
			e.Value = value
		}
		return
	}
	// So gopher-lua calls it when the values of a thread do not fit.
	if strings.HasSuffix(string(text), "registry overflow") {
		e.setText(overflowText)
		return
	}
	if e.where == "" {
		if e.bare = !t.vm.scriptsOwn(t.L); e.bare {
			text = lua.LString(strings.TrimPrefix(string(text), " "))
		}
	}
	if said, ok := strings.CutPrefix(string(text), e.where+" "); ok && e.where != "" {
		text = lua.LString(e.where + " " + varinfo.Text(t.L, said))
	}
	e.Value = text
}

// scriptsOwn tells whether what L raised is what a script said, to the letter.
func (v *VM) scriptsOwn(L *lua.LState) bool {
	d, ok := L.GetStack(0)
	if !ok {
		return false
	}
	fn, err := L.GetInfo("f", d, nil)
	return err == nil && (fn == v.raisers[0] || fn == v.raisers[1])
}

// panicText returns what scripts are told of a Go panic. What it really was stands in the traceback.
func (t *thread) panicText(e *Error, value any) string {
	// gopher-lua panics with this, or trips over its own error handling, when a thread is full.
	if value == "lua callstack overflow" || t.vm.layout.registry(t.L) >= registryMax {
		return overflowText
	}
	text, _, _ := strings.Cut(fmt.Sprint(value), "\n")
	e.addLine(fmt.Sprintf("[Go]: panic: %.200s (%s)", text, panicSite()))
	return "internal error"
}

// panicSite returns the place in Go that panicked, when called below the deferred function.
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

// describe completes an error for the owner of the machine. outer is the thread whose code called.
func (v *VM) describe(e *Error, outer *thread, call any) *Error {
	if e.Message != "" {
		return e
	}
	text := strings.TrimSpace(v.text(e.Value, outer, call))
	if e.where != "" && !hasPlace(text) {
		text = e.where + " " + text
	}
	e.Message = strings.ToValidUTF8(logging.Clip(text, maxMessage), "\uFFFD")
	return e
}

// text returns what a raised value says. A table may say it with __tostring, which may do anything.
func (v *VM) text(raised lua.LValue, outer *thread, call any) string {
	if lua.LVCanConvToString(raised) {
		return raised.String()
	}
	plain := fmt.Sprintf("(error object is a %s value)", raised.Type())
	speak := v.main.GetMetaField(raised, "__tostring")
	if speak == lua.LNil {
		return asJSON(raised, plain)
	}
	t := v.borrow(outer)
	if outer == nil {
		t.call, t.guest = call, false
	}
	t.push(speak)
	t.L.Push(raised)
	if err := t.run(1, 1, false); err != nil {
		return plain
	}
	said, ok := t.L.Get(1).(lua.LString)
	v.giveBack(t)
	if !ok {
		return plain
	}
	return string(said)
}

// asJSON returns what a small table of plain data is, else what stands in for it.
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

// hasPlace tells whether a message begins with a file and a line.
func hasPlace(text string) bool {
	_, rest, _ := strings.Cut(text, ":")
	number, _, ok := strings.Cut(rest, ":")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// where returns the innermost place in Lua on L, as "scripts/x.lua:3:", or "".
func where(L *lua.LState) string {
	place := ""
	frames(L, func(d *lua.Debug) bool {
		if d.CurrentLine >= 0 {
			place = fmt.Sprintf("%s:%d:", d.Source, d.CurrentLine)
		}
		return place == ""
	})
	return place
}

// addTrace adds the functions on L to the traceback.
func (e *Error) addTrace(L *lua.LState) {
	frames(L, func(d *lua.Debug) bool {
		switch {
		case d.CurrentLine < 0 && d.What == "main": // ours: thread.enter
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
	case d.Name == compile.Concat:
		return "operator '..'"
	case d.Name == "" || d.Name == "?" || strings.HasPrefix(d.Name, compile.Operands) || d.Name == "(anonymous)":
		return "?"
	case strings.HasPrefix(d.Name, "<"):
		return "function " + d.Name
	}
	return "function '" + d.Name + "'"
}

// frames calls see for each function that runs on L, from the innermost outwards, until it returns false.
func frames(L *lua.LState, see func(d *lua.Debug) bool) {
	// It reads what gopher-lua may have left half made.
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

// tailCalls returns how many calls a frame has replaced: gopher-lua counts each of them as a level.
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
