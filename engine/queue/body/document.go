package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"perigee/engine/wire"
)

// document is a JSON object. Of members with the same name the last one counts, as in messages. Its values are compact.
type document struct {
	names  []string // in the order in which they first occur
	values map[string]jsontext.Value
}

// readDocument reads a JSON object, which must be the whole text.
func readDocument(text []byte) (document, error) {
	o := document{values: map[string]jsontext.Value{}}
	err := members(text, func(name string, value jsontext.Value) {
		if _, known := o.values[name]; !known {
			o.names = append(o.names, name)
		}
		o.values[name] = value
	})
	return o, err
}

// text returns a member that is a string, or "".
func (o document) text(name string) string { return stringOf(o.values[name]) }

// kind returns the kind of a member's value; 0 if there is no such member.
func (o document) kind(name string) jsontext.Kind {
	value, ok := o.values[name]
	if !ok {
		return 0
	}
	return value.Kind()
}

// without returns the JSON text of the object without one of its members, or nil if it has no other.
func (o document) without(name string) []byte {
	var text []byte
	for _, other := range o.names {
		if other == name {
			continue
		}
		separator := byte(',')
		if text == nil {
			separator = '{'
		}
		text, _ = jsontext.AppendQuote(append(text, separator), other) // names that were decoded are UTF-8
		text = append(append(text, ':'), o.values[other]...)
	}
	if text == nil {
		return nil
	}
	return append(text, '}')
}

// arguments returns a value that has the arguments of a command: an object, or nil if there are none. For none, PHP writes an empty
// list and Laravel an empty string.
func arguments(what string, value []byte) ([]byte, error) {
	switch string(value) {
	case "", "null", `""`, "[]":
		return nil, nil
	}
	if jsontext.Value(value).Kind() != jsontext.KindBeginObject {
		return nil, fmt.Errorf("%s must be an object, found %s", what, wire.Kind(value))
	}
	return value, nil
}

// members calls fn for each member of a JSON object, which must be the whole text. The value is compact and valid, and fn may keep
// it.
func members(text []byte, fn func(name string, value jsontext.Value)) error {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	begin, err := d.ReadToken()
	if err != nil {
		return notJSON(err)
	}
	if begin.Kind() != jsontext.KindBeginObject {
		return errors.New("the job is not a JSON object")
	}
	for d.PeekKind() != jsontext.KindEndObject {
		name, err := d.ReadToken()
		if err != nil {
			return notJSON(err)
		}
		key := name.String()
		value, err := readValue(d)
		if err != nil {
			return err
		}
		fn(key, value)
	}
	return readEnd(d, text)
}

// items returns the items of a JSON list, which must be the whole text. They are compact.
func items(text []byte) (list []jsontext.Value, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	for d.PeekKind() != jsontext.KindEndArray {
		value, err := readValue(d)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, readEnd(d, text)
}

// readValue reads a value and compacts it.
func readValue(d *jsontext.Decoder) (jsontext.Value, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, notJSON(err)
	}
	value = value.Clone()
	if err := value.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, notJSON(err)
	}
	return value, nil
}

// readEnd reads the end of the outermost value, which must be the end of the text.
func readEnd(d *jsontext.Decoder, text []byte) error {
	if _, err := d.ReadToken(); err != nil {
		return notJSON(err)
	}
	if len(bytes.Trim(text[d.InputOffset():], " \t\r\n")) > 0 {
		return errors.New("the job has more text after its JSON value")
	}
	return nil
}

// notJSON describes an error of the decoder. The error's own text may contain parts of the body.
func notJSON(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("the job is not JSON: invalid at byte %d", syntax.ByteOffset)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the job is empty")
	}
	return errors.New("the job is not JSON: it is truncated")
}

// stringOf returns "" if the value is not a string.
func stringOf(value jsontext.Value) string {
	if value.Kind() != jsontext.KindString {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}

// countOf returns 0 if the value is not a whole number from 0 to 2^31-1.
func countOf(value jsontext.Value) int {
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil {
		return 0
	}
	return int(max(n, 0))
}

// secondsOf returns 0 if the value is not a number, or is negative.
func secondsOf(value jsontext.Value) time.Duration {
	s, err := strconv.ParseFloat(string(value), 64)
	if err != nil || value.Kind() != jsontext.KindNumber || s < 0 {
		return 0
	}
	return time.Duration(min(s, maxSeconds) * float64(time.Second))
}
