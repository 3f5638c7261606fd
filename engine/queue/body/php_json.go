package body

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxArguments is the longest JSON text written for a PHP object, in bytes. References can repeat values, and so make the JSON text
// exponentially longer than the serialized object.
const maxArguments = 4 * Limit

// objectJSON returns properties as a JSON object, or nil if there are none.
func objectJSON(properties []phpEntry) ([]byte, error) {
	if len(properties) == 0 {
		return nil, nil
	}
	var w jsonWriter
	err := w.members(properties, 1)
	return w.result(err)
}

// listJSON returns an array as a JSON list.
func listJSON(v *phpValue) ([]byte, error) {
	var w jsonWriter
	err := w.value(v, 0)
	return w.result(err)
}

// jsonWriter writes PHP values as JSON.
type jsonWriter struct {
	text []byte
}

func (w *jsonWriter) result(err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("the job's data cannot be converted to JSON: %w", err)
	}
	return w.text, nil
}

// value appends v, at a nesting depth.
func (w *jsonWriter) value(v *phpValue, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it refers to itself, or is nested more than %d levels deep", maxDepth)
	}
	if len(w.text) > maxArguments {
		return fmt.Errorf("it repeats values, and would be longer than %d bytes", maxArguments)
	}
	switch v.Kind {
	case phpNull:
		w.text = append(w.text, "null"...)
	case phpBool:
		w.text = strconv.AppendBool(w.text, v.Bool)
	case phpInt:
		w.text = strconv.AppendInt(w.text, v.Int, 10)
	case phpFloat:
		return w.float(v.Float)
	case phpString, phpEnum:
		return w.string(v.Text)
	case phpArray:
		return w.array(v, depth+1)
	case phpObject:
		return w.object(v, depth+1)
	case phpCustom:
		if v.Inner == nil || isClosure(v.Class) {
			return errors.New("it contains an object of a Serializable class, which only its PHP code can read")
		}
		return w.value(v.Inner, depth+1)
	}
	return nil
}

func (w *jsonWriter) float(f float64) error {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return errors.New("it contains an infinite number or NaN")
	}
	if math.Abs(f) < 1<<53 {
		w.text = append(w.text, jsontext.Float(f).String()...)
	} else { // with an exponent, it is not mistaken for an integer
		w.text = strconv.AppendFloat(w.text, f, 'e', -1, 64)
	}
	return nil
}

func (w *jsonWriter) string(s string) (err error) {
	if w.text, err = jsontext.AppendQuote(w.text, s); err != nil {
		return errors.New("it contains a string that is not UTF-8")
	}
	return nil
}

func (w *jsonWriter) array(v *phpValue, depth int) error {
	if !v.isList() {
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

// object appends an object: a Fluent as its attributes, a collection as its items, a Stringable as its text, and any other as its
// properties.
func (w *jsonWriter) object(v *phpValue, depth int) error {
	if isClosure(v.Class) {
		return errors.New("it contains a closure, which is PHP code")
	}
	properties := visible(v)
	if len(properties) > 0 {
		first := properties[0]
		switch {
		case len(properties) == 1 && isAttributes(first):
			return w.members(first.Value.Entries, depth)
		case first.Key == "items" && first.Value.Kind == phpArray && isCollection(v.Class, properties[1:]):
			return w.array(first.Value, depth)
		case v.Class == `Illuminate\Support\Stringable` && first.Key == "value":
			return w.value(first.Value, depth)
		}
	}
	return w.members(properties, depth)
}

// members appends entries as a JSON object.
func (w *jsonWriter) members(entries []phpEntry, depth int) error {
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

// isCollection reports whether an object whose first property is its items is a collection of Laravel, by its class and the rest
// of its properties.
func isCollection(class string, rest []phpEntry) bool {
	switch len(rest) {
	case 0:
		return strings.HasSuffix(class, "Collection")
	case 1:
		return rest[0].Key == "escapeWhenCastingToString"
	}
	return false
}

// isClosure reports whether objects of a class contain PHP code.
func isClosure(class string) bool {
	return class == "Closure" || strings.HasSuffix(class, `\SerializableClosure`) ||
		strings.HasPrefix(class, `Laravel\SerializableClosure\`)
}
