package spec

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// maxSaid is how many lines are kept of what was printed and logged; the latest count.
const maxSaid = 50

// journal is the log of a server in a spec. It keeps what went wrong in the scripts, and what these say themselves.
type journal struct {
	level slog.Level // of what scripts log

	// Guarded by mu.
	mu     sync.Mutex
	faults []string
	said   []string
	unkept int // lines that had to go from said
}

var _ slog.Handler = (*journal)(nil)

// Enabled takes errors, and what scripts say.
func (j *journal) Enabled(_ context.Context, level slog.Level) bool {
	return level >= min(j.level, slog.LevelError)
}

// Handle keeps the error of a record, which begins with its place, and the lines of scripts.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
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
		j.say(attributes["text"])
	case logged: // by the module log
		j.say(strings.TrimRight(fmt.Sprintf("%s: %s %s %s", source, r.Level, r.Message, strings.Join(rest, " ")), " "))
	case r.Level >= slog.LevelError && (strings.HasPrefix(r.Message, "manager: ") || strings.HasPrefix(r.Message, "script: ")):
		j.add(fault(r.Message, attributes))
	}
	return nil
}

// fault is the error of a record, with its place.
func fault(message string, attributes map[string]string) string {
	text, given := attributes["error"]
	if !given {
		text = message
	}
	if place := attributes["place"]; place != "" { // of a promise that was rejected; the reason need not have one
		return place + ": " + strings.TrimPrefix(message, "script: ") + ": " + text
	}
	return text
}

// WithAttrs and WithGroup are not needed to find an error.
func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }

// WithGroup returns the journal itself.
func (j *journal) WithGroup(string) slog.Handler { return j }

func (j *journal) add(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, text)
}

// say keeps a line that the scripts or the spec have printed or logged.
func (j *journal) say(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.said = append(j.said, line); len(j.said) > maxSaid {
		j.said = j.said[1:]
		j.unkept++
	}
}

// lines returns what was said, the oldest first.
func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unkept > 0 {
		return append([]string{fmt.Sprintf("(%d earlier lines)", j.unkept)}, j.said...)
	}
	return j.said
}

// take returns what went wrong since the last time.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	faults := j.faults
	j.faults = nil
	return faults
}
