package body

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// envelope reads the top-level members of a body. Of members with the same name the last one counts, as in messages.
func envelope(text []byte) (b Body, job string, data []byte, err error) {
	err = members(text, func(name string, value jsontext.Value) {
		switch name {
		case "job":
			job = stringOf(value)
		case "data":
			data = value
		case "maxTries", "tries":
			b.MaxTries = countOf(value)
		case "timeout":
			b.Timeout = secondsOf(value)
		}
	})
	return b, job, data, err
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
		value, err := d.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		value = value.Clone()
		if err := value.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
			return notJSON(err)
		}
		fn(key, value)
	}
	if _, err := d.ReadToken(); err != nil {
		return notJSON(err)
	}
	if len(bytes.Trim(text[d.InputOffset():], " \t\r\n")) > 0 {
		return errors.New("the job has more text after its JSON object")
	}
	return nil
}

// notJSON describes an error of the decoder. The error's own text may contain parts of the body.
func notJSON(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("the job is not JSON: invalid at byte %d", syntax.ByteOffset)
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
