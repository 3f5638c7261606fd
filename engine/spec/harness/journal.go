package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// maxSaid is how many lines are kept of what was printed and logged; the latest count.
const maxSaid = 50

// Journal is the log of a server. It keeps what went wrong in the scripts, and what these say themselves. Any goroutine may
// use it.
type Journal struct {
	level slog.Level // of what scripts log; set by NewJournal, never changed

	// Guarded by mu.
	mu     sync.Mutex
	faults []error
	said   []string
	unkept int // lines that had to go from said
}

var _ slog.Handler = (*Journal)(nil)

// NewJournal returns one that keeps what scripts log from a level on, as server.log_level has it.
func NewJournal(level string) *Journal {
	j := &Journal{}
	if err := j.level.UnmarshalText([]byte(level)); err != nil {
		j.level = slog.LevelInfo // config has checked it
	}
	return j
}

// Enabled takes errors, and what scripts say.
func (j *Journal) Enabled(_ context.Context, level slog.Level) bool {
	return level >= min(j.level, slog.LevelError)
}

// Handle keeps the error of a record, which begins with its place, and the lines of scripts.
func (j *Journal) Handle(_ context.Context, r slog.Record) error {
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
		j.Say(attributes["text"])
	case logged: // by the module log
		j.Say(strings.TrimRight(fmt.Sprintf("%s: %s %s %s", source, r.Level, r.Message, strings.Join(rest, " ")), " "))
	case r.Level >= slog.LevelError && (strings.HasPrefix(r.Message, "manager: ") || strings.HasPrefix(r.Message, "script: ")):
		j.add(errors.New(fault(r.Message, attributes)))
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
func (j *Journal) WithAttrs([]slog.Attr) slog.Handler { return j }

// WithGroup returns the journal itself.
func (j *Journal) WithGroup(string) slog.Handler { return j }

func (j *Journal) add(fault error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, fault)
}

// Say keeps a line that the scripts or the spec have printed or logged.
func (j *Journal) Say(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.said = append(j.said, line); len(j.said) > maxSaid {
		j.said = j.said[1:]
		j.unkept++
	}
}

// Lines returns what was said, the oldest first.
func (j *Journal) Lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unkept > 0 {
		return append([]string{fmt.Sprintf("(%d earlier lines)", j.unkept)}, j.said...)
	}
	return j.said
}

// Take returns what went wrong since the last time; Unanswered and Unplayed are what the spec has left out.
func (j *Journal) Take() []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	faults := j.faults
	j.faults = nil
	return faults
}
