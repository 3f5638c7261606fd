package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// maxLines is how many of the latest printed and logged lines are kept.
const maxLines = 50

// Log is the log of a server. It keeps the errors of the scripts and the lines that they print or log. It is safe for concurrent
// use.
type Log struct {
	level slog.Level // of lines that scripts log; set by NewLog, never changed

	// Guarded by mu.
	mu      sync.Mutex
	errs    []error
	lines   []string
	dropped int // lines that were removed from lines
}

var _ slog.Handler = (*Log)(nil)

// NewLog returns a log that keeps lines of scripts from a level on, in the notation of server.log_level.
func NewLog(level string) *Log {
	l := &Log{}
	if err := l.level.UnmarshalText([]byte(level)); err != nil {
		l.level = slog.LevelInfo // config has checked it
	}
	return l
}

// Enabled reports whether a record is needed: an error, or a line of a script.
func (l *Log) Enabled(_ context.Context, level slog.Level) bool {
	return level >= min(l.level, slog.LevelError)
}

// Handle keeps the errors of records, which begin with their place, and the lines of scripts.
func (l *Log) Handle(_ context.Context, r slog.Record) error {
	attributes := map[string]string{}
	var rest []string
	r.Attrs(func(a slog.Attr) bool {
		attributes[a.Key] = a.Value.String()
		if a.Key != "source" && a.Key != "turn" && a.Key != "generation" {
			rest = append(rest, a.Key+"="+a.Value.String())
		}
		return true
	})
	source, logged := attributes["source"]
	switch {
	case r.Message == "script: print":
		l.Print(attributes["text"])
	case logged: // by the module log
		l.Print(strings.TrimRight(fmt.Sprintf("%s: %s %s %s", source, r.Level, r.Message, strings.Join(rest, " ")), " "))
	case r.Level >= slog.LevelError && (strings.HasPrefix(r.Message, "manager: ") || strings.HasPrefix(r.Message, "script: ")):
		l.addError(errors.New(errorText(r.Message, attributes)))
	}
	return nil
}

// errorText returns the text of a record's error, with its place.
func errorText(message string, attributes map[string]string) string {
	text, given := attributes["error"]
	if !given {
		text = message
	}
	if handler := attributes["stored_by"]; handler != "" {
		return strings.TrimPrefix(message, "script: ") + ": " + text + ", stored by " + handler
	}
	if place := attributes["place"]; place != "" { // of a rejected promise, whose reason need not have one
		return place + ": " + strings.TrimPrefix(message, "script: ") + ": " + text
	}
	return text
}

// WithAttrs returns the log itself: errors have no such attributes.
func (l *Log) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup returns the log itself.
func (l *Log) WithGroup(string) slog.Handler { return l }

func (l *Log) addError(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// Print keeps a line that the scripts or the spec have printed or logged.
func (l *Log) Print(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > maxLines {
		l.lines = l.lines[1:]
		l.dropped++
	}
}

// Lines returns the kept lines, oldest first.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped > 0 {
		return append([]string{fmt.Sprintf("(%d earlier lines)", l.dropped)}, l.lines...)
	}
	return l.lines
}

// TakeErrors returns the errors since its last call, MissingStub and MissingFake among them.
func (l *Log) TakeErrors() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := l.errs
	l.errs = nil
	return errs
}
