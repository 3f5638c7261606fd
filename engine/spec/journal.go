package spec

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// journal is the log of a server in a spec. It keeps what went wrong in the scripts; what they log themselves is theirs.
type journal struct {
	mu     sync.Mutex
	faults []string // guarded by mu
}

var _ slog.Handler = (*journal)(nil)

// Enabled takes errors only.
func (j *journal) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle keeps the error of a record, which begins with its place.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	if !strings.HasPrefix(r.Message, "manager: ") && !strings.HasPrefix(r.Message, "script: ") {
		return nil
	}
	text, place := r.Message, ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error":
			text = a.Value.String()
		case "place": // of a promise that was rejected; the reason need not have one
			place = a.Value.String()
		}
		return true
	})
	if place != "" {
		text = place + ": " + strings.TrimPrefix(r.Message, "script: ") + ": " + text
	}
	j.add(text)
	return nil
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

// take returns what went wrong since the last time.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	faults := j.faults
	j.faults = nil
	return faults
}
