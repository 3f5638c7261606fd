package body

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// envelope reads the members at the top of a job. Of members with the same name the last one counts, as with messages.
func envelope(text []byte) (b Body, job string, data []byte, err error) {
	err = members(text, func(name string, value jsontext.Value) {
		switch name {
		case "job":
			job = str(value)
		case "data":
			data = value
		case "uuid":
			b.UUID = short(value)
		case "displayName":
			b.DisplayName = short(value)
		case "maxTries", "tries":
			b.MaxTries = number(value)
		case "attempts":
			b.Attempts = number(value)
		case "timeout":
			b.Timeout = seconds(value)
		case "delay":
			b.Delay = seconds(value)
		}
	})
	return b, job, data, err
}

// members calls fn for each member of the one object of a JSON text. The value is compact, valid, and fn's to keep.
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

// notJSON returns a sentence for an error of the decoder, whose own text shows what it has read.
func notJSON(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("the job is not JSON: byte %d is wrong", syntax.ByteOffset)
	}
	return errors.New("the job is not JSON: it ends too early")
}

// str returns "" where the value is no string.
func str(value jsontext.Value) string {
	if value.Kind() != jsontext.KindString {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}

// short returns "" where the value is no string, or one too long for a name.
func short(value jsontext.Value) string {
	if text := str(value); len(text) <= maxName {
		return text
	}
	return ""
}

// number returns 0 where the value is no whole number, a negative one, or one that nobody can have meant.
func number(value jsontext.Value) int {
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil {
		return 0
	}
	return int(max(n, 0))
}

// seconds returns 0 where the value is no number of seconds, or a negative one.
func seconds(value jsontext.Value) time.Duration {
	s, err := strconv.ParseFloat(string(value), 64)
	if err != nil || value.Kind() != jsontext.KindNumber || s < 0 {
		return 0
	}
	return time.Duration(min(s, maxSeconds) * float64(time.Second))
}
