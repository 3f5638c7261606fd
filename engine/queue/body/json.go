package body

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"perigee/engine/queue/php"
)

// maxArguments is the longest JSON text that is made of a PHP object, in bytes. It is longer than what it is made of
// where references repeat a value, and those can double it again and again.
const maxArguments = 4 * Limit

// arguments returns properties as the text of a JSON object, nil where there are none.
func arguments(properties []php.Entry) ([]byte, error) {
	if len(properties) == 0 {
		return nil, nil
	}
	var w writer
	err := w.members(properties, 1)
	return w.result(err)
}

// list returns an array as the text of a JSON list.
func list(v *php.Value) ([]byte, error) {
	var w writer
	err := w.value(v, 0)
	return w.result(err)
}

// writer makes JSON text of PHP values.
type writer struct {
	text []byte
}

func (w *writer) result(err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("the job's data cannot be JSON: %w", err)
	}
	return w.text, nil
}

// value appends v, which stands so many levels deep.
func (w *writer) value(v *php.Value, depth int) error {
	if depth > php.MaxDepth {
		return fmt.Errorf("it refers to itself, or is more than %d levels deep", php.MaxDepth)
	}
	if len(w.text) > maxArguments {
		return fmt.Errorf("it repeats itself, and is longer than %d bytes", maxArguments)
	}
	switch v.Kind {
	case php.Null:
		w.text = append(w.text, "null"...)
	case php.Bool:
		w.text = strconv.AppendBool(w.text, v.Bool)
	case php.Int:
		w.text = strconv.AppendInt(w.text, v.Int, 10)
	case php.Float:
		return w.float(v.Float)
	case php.String, php.Enum:
		return w.string(v.Text)
	case php.Array:
		return w.array(v, depth+1)
	case php.Object:
		return w.object(v, depth+1)
	case php.Custom:
		if v.Inner == nil || isClosure(v.Class) {
			return errors.New("it holds an object that only its own PHP code can read")
		}
		return w.value(v.Inner, depth+1)
	}
	return nil
}

func (w *writer) float(f float64) error {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return errors.New("it holds a number that is infinite or none")
	}
	w.text = append(w.text, jsontext.Float(f).String()...)
	return nil
}

func (w *writer) string(s string) (err error) {
	if w.text, err = jsontext.AppendQuote(w.text, s); err != nil {
		return errors.New("it holds a string that is not UTF-8")
	}
	return nil
}

func (w *writer) array(v *php.Value, depth int) error {
	if !v.List() {
		return w.members(v.Entries, depth)
	}
	w.text = append(w.text, '[')
	for i, e := range v.Entries {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		if err := w.value(e.Value, depth); err != nil {
			return err
		}
	}
	w.text = append(w.text, ']')
	return nil
}

// object appends what an object means: of a Fluent its attributes, of a collection its items, of a Stringable its text,
// of any other its properties.
func (w *writer) object(v *php.Value, depth int) error {
	if isClosure(v.Class) {
		return errors.New("it holds a closure, which is PHP code")
	}
	properties := visible(v)
	if len(properties) > 0 {
		first := properties[0]
		switch {
		case len(properties) == 1 && isAttributes(first):
			return w.members(first.Value.Entries, depth)
		case first.Key == "items" && first.Value.Kind == php.Array && isCollection(v.Class, properties[1:]):
			return w.array(first.Value, depth)
		case v.Class == `Illuminate\Support\Stringable` && first.Key == "value":
			return w.value(first.Value, depth)
		}
	}
	return w.members(properties, depth)
}

// members appends entries as an object.
func (w *writer) members(entries []php.Entry, depth int) error {
	w.text = append(w.text, '{')
	for i, e := range entries {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		if err := w.string(e.Key); err != nil {
			return err
		}
		w.text = append(w.text, ':')
		if err := w.value(e.Value, depth); err != nil {
			return err
		}
	}
	w.text = append(w.text, '}')
	return nil
}

// isCollection reports whether an object that has items first is a collection of Laravel, by its class and the rest of its
// properties.
func isCollection(class string, rest []php.Entry) bool {
	switch len(rest) {
	case 0:
		return strings.HasSuffix(class, "Collection")
	case 1:
		return rest[0].Key == "escapeWhenCastingToString"
	}
	return false
}

// isClosure reports whether a class is one of those in which PHP code travels.
func isClosure(class string) bool {
	return class == "Closure" || strings.HasSuffix(class, `\SerializableClosure`) ||
		strings.HasPrefix(class, `Laravel\SerializableClosure\`)
}
