package value

import (
	"errors"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// ErrSyntax is wrapped by errors about text that is not exactly one JSON value.
var ErrSyntax = errors.New("not valid JSON")

// LimitError is wrapped by errors about a value that is well formed but too deep, too large, or a number that Lua cannot
// represent.
type LimitError struct {
	Problem           string
	Text, Depth, Keys bool // whether the limit is that of the text's size, of its levels, or of its keys
}

// Error returns the problem.
func (e *LimitError) Error() string { return e.Problem }

// PathError is a problem and its place in a value.
type PathError struct {
	// Op is the operation that failed, such as "decode".
	Op  string
	Err error

	steps []string // from the inside out
}

// Path returns the place: prizes[3].winner. Lists count from 1 as in Lua, but those of a JSON text from 0. The path of the value itself
// is "".
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

// Reason returns the place and the problem, for callers that name the operation themselves.
func (e *PathError) Reason() string {
	if path := e.Path(); path != "" {
		return path + ": " + e.Err.Error()
	}
	return e.Err.Error()
}

// Error returns package, operation, place and problem.
func (e *PathError) Error() string {
	text := "value: " + e.Op
	if path := e.Path(); path != "" {
		text += " " + path
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the problem.
func (e *PathError) Unwrap() error { return e.Err }

func fault(err error) *PathError { return &PathError{Err: err} }

// refuse returns the error of a value that cannot be converted.
func refuse(problem string) *PathError { return fault(errors.New(problem)) }

// tooMuch returns the error of a value that exceeds a limit.
func tooMuch(problem string) *PathError { return fault(&LimitError{Problem: problem}) }

// tooDeep returns the error of a value with too many levels.
func tooDeep(limit int) *PathError {
	return fault(&LimitError{Problem: "nested deeper than " + strconv.Itoa(limit) + " levels", Depth: true})
}

// tooManyKeys returns the error of a value with too many keys, objects and lists.
func tooManyKeys(limit int) *PathError {
	return fault(&LimitError{Problem: "more than " + strconv.Itoa(limit) + " keys, objects and lists", Keys: true})
}

// tooLarge returns the error of a text with more bytes than the limit.
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

// outcome returns what an operation has made, or otherwise and its fault.
func outcome[T any](op string, made, otherwise T, fault *PathError) (T, error) {
	if fault != nil {
		fault.Op = op
		return otherwise, fault
	}
	return made, nil
}

// at prepends the step from a list or an object to the path.
func (e *PathError) at(key lua.LValue) *PathError {
	e.steps = append(e.steps, pathStep(key))
	return e
}

// pathStep returns one key as a path shows it.
func pathStep(key lua.LValue) string {
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

// isWord reports whether a key may follow a dot.
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

// kindOf names what a value is: "a function". An object of the script API has its class: "a client", "a set of connections".
func kindOf(v lua.LValue) string {
	userdata, ok := v.(*lua.LUserData)
	if !ok {
		return "a " + v.Type().String()
	}
	if metatable, ok := userdata.Metatable.(*lua.LTable); ok {
		switch name, _ := metatable.RawGetString("__metatable").(lua.LString); {
		case strings.HasSuffix(string(name), "s"):
			return "a set of " + string(name)
		case name != "":
			return "a " + string(name)
		}
	}
	return "userdata"
}
