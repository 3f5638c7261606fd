package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// parseText parses the text of a variable or a flag as a value of the setting's type. The error contains the remedy.
func (s setting) parseText(text string) (any, error) {
	switch s.zero().(type) {
	case string:
		return text, nil
	case Secret:
		return Secret(text), nil
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, s.notNumber(show(text))
		}
		return n, nil
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%s is neither true nor false; write one of them", show(text))
		}
		return b, nil
	case Duration:
		var d Duration
		err := d.UnmarshalText([]byte(text))
		return d, err
	case Size:
		var n Size
		err := n.UnmarshalText([]byte(text))
		return n, err
	case []string:
		list := []string{}
		for entry := range strings.SplitSeq(text, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				list = append(list, entry)
			}
		}
		return list, nil
	default:
		return nil, errors.New("can be set in the file only")
	}
}

// parseTOML converts a value of the file to the setting's type: string, int64, float64, bool, time.Time, []any or
// map[string]any.
func (s setting) parseTOML(value any) (any, error) {
	text, isText := value.(string)
	switch s.zero().(type) {
	case string, Duration, Size:
		switch n := value.(type) {
		case string:
			return s.parseText(text)
		case int64, float64:
			return s.parseBare(n)
		}
	case Secret:
		if isText {
			return Secret(text), nil
		}
		return nil, errors.New("the value is not a string; write it in quotes")
	case int:
		if n, ok := value.(int64); ok {
			return int(n), nil
		}
		if _, err := strconv.Atoi(text); err == nil {
			return nil, fmt.Errorf("%s is a string; write %s without quotes", show(text), text)
		}
		return nil, s.notNumber(show(value))
	case bool:
		if b, ok := value.(bool); ok {
			return b, nil
		}
		return nil, fmt.Errorf("%s is neither true nor false; write one of them, without quotes", show(value))
	case []string:
		return parseList(value)
	}
	return nil, fmt.Errorf("%s is not a string; write it in quotes", show(value))
}

// parseBare reads a number without quotes for a setting that takes a string. Only sizes may be written so.
func (s setting) parseBare(n any) (any, error) {
	switch s.zero().(type) {
	case Duration:
		return nil, fmt.Errorf(`%v has no unit; write "%vs"`, n, n)
	case Size:
		if _, whole := n.(int64); whole {
			return s.parseText(show(n))
		}
		return nil, fmt.Errorf("%v %w", n, errNotSize)
	default:
		return nil, fmt.Errorf(`%v is not a string; write "%v"`, n, n)
	}
}

func parseList(value any) ([]string, error) {
	entries, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf(`%s is not a list; write for example ["first", "second"]`, show(value))
	}
	list := []string{}
	for _, entry := range entries {
		text, ok := entry.(string)
		if !ok {
			return nil, fmt.Errorf(`%s in the list is not a string; write for example ["first", "second"]`, show(entry))
		}
		list = append(list, text)
	}
	return list, nil
}

// zero returns a value of the setting's type, to switch on.
func (s setting) zero() any { return reflect.Zero(s.field.Type).Interface() }

// show formats a value for an error: strings in quotes and up to 64 bytes, lists and tables by their type.
func show(value any) string {
	const most = 64
	switch value := value.(type) {
	case string:
		if len(value) > most {
			return strconv.Quote(value[:most]) + "..."
		}
		return strconv.Quote(value)
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	default:
		return fmt.Sprint(value)
	}
}
