package value

import (
	"errors"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// ErrSyntax is wrapped where text is not exactly one JSON value.
var ErrSyntax = errors.New("not valid JSON")

// LimitError is wrapped where a value is well formed but too deep, too large, or a number that Lua cannot hold.
type LimitError struct {
	Problem string
	Text    bool // it is the limit of the text
}

// Error returns the problem.
func (e *LimitError) Error() string { return e.Problem }

// PathError says where in a value the problem is.
type PathError struct {
	// Doing is what failed, such as "decode".
	Doing string
	Err   error

	steps []string // from the inside out
}

// Path is the place, as Lua would write it: prizes[3].winner. Lists count from 1. Where the problem is the value itself,
// the path is "".
func (e *PathError) Path() string {
	const shown = 6 // steps at each end; deeper paths lose their middle
	var b strings.Builder
	for i := len(e.steps) - 1; i >= 0; i-- {
		if len(e.steps) > 2*shown && i == len(e.steps)-1-shown {
			b.WriteString("...")
			i = shown - 1
		}
		b.WriteString(e.steps[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// Plain is the place and the problem, for who knows what was being done.
func (e *PathError) Plain() string {
	if path := e.Path(); path != "" {
		return path + ": " + e.Err.Error()
	}
	return e.Err.Error()
}

// Error names package, deed, place and problem.
func (e *PathError) Error() string {
	doing := "value: " + e.Doing
	if path := e.Path(); path != "" {
		doing += " " + path
	}
	return doing + ": " + e.Err.Error()
}

// Unwrap returns the problem.
func (e *PathError) Unwrap() error { return e.Err }

func fault(err error) *PathError { return &PathError{Err: err} }

// refuse is a fault that breaks a rule of what can be plain data.
func refuse(problem string) *PathError { return fault(errors.New(problem)) }

// tooMuch is a fault that breaks a limit.
func tooMuch(problem string) *PathError { return fault(&LimitError{Problem: problem}) }

// tooDeep is the fault of one level too many.
func tooDeep(limit int) *PathError {
	return tooMuch("nested deeper than " + strconv.Itoa(limit) + " levels")
}

// tooLarge is the fault of a text of more bytes than the limit.
func tooLarge(limit int) *PathError {
	size := strconv.Itoa(limit) + " bytes"
	switch {
	case limit >= 1<<20 && limit%(1<<20) == 0:
		size = strconv.Itoa(limit>>20) + " MiB"
	case limit >= 1<<10 && limit%(1<<10) == 0:
		size = strconv.Itoa(limit>>10) + " KiB"
	}
	return fault(&LimitError{Problem: "the text is larger than " + size, Text: true})
}

func (e *PathError) while(doing string) *PathError {
	e.Doing = doing
	return e
}

// at adds the step from a list or an object to the place of the fault.
func (e *PathError) at(key lua.LValue) *PathError {
	e.steps = append(e.steps, step(key))
	return e
}

// step writes one key of a path.
func step(key lua.LValue) string {
	s, ok := key.(lua.LString)
	if !ok {
		return "[" + key.String() + "]"
	}
	name := string(s)
	if isWord(name) {
		return "." + name
	}
	const longest = 40 // bytes; a key may be as long as the message that holds it
	if len(name) > longest {
		return "[" + strconv.Quote(name[:longest]) + "...]"
	}
	return "[" + strconv.Quote(name) + "]"
}

// isWord tells whether a key may follow a dot.
func isWord(key string) bool {
	for i, c := range []byte(key) {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return key != "" && len(key) <= 40
}

// kind names a value that is no plain data.
func kind(v lua.LValue) string {
	switch v.Type() {
	case lua.LTUserData:
		return object(v)
	default:
		return "a " + v.Type().String()
	}
}

// object names what scripts hold in their hands by its kind: "a client".
func object(v lua.LValue) string {
	userdata, ok := v.(*lua.LUserData)
	if !ok {
		return "userdata"
	}
	metatable, ok := userdata.Metatable.(*lua.LTable)
	if !ok {
		return "userdata"
	}
	name, ok := metatable.RawGetString("__metatable").(lua.LString)
	switch {
	case !ok || name == "":
		return "userdata"
	case strings.HasSuffix(string(name), "s"):
		return "a choice of " + string(name)
	}
	return "a " + string(name)
}
