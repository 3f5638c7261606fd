package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
)

// Bounds of a Tail: 1 MiB at most.
const (
	maxRecords    = 500
	maxRecord     = 2 << 10 // bytes of a record's JSON
	maxTailedText = 512     // bytes of a text in it
)

// Tail is a slog.Handler that keeps the latest records as JSON and passes all of them on. What it keeps may contain secrets. It is safe
// for concurrent use.
type Tail struct {
	next   slog.Handler
	format slog.Handler // writes JSON to latest.text
	latest *latest      // shared by all handlers that WithAttrs and WithGroup return
}

// latest are the records that a Tail keeps.
type latest struct {
	mu sync.Mutex
	// Guarded by mu.
	text    bytes.Buffer // of the record that is being written
	records []Record     // oldest first
	last    uint64       // the number of the last record
}

// Record is a record of the log.
type Record struct {
	Number uint64 // from 1
	Level  slog.Level
	JSON   json.RawMessage // an object with time, level, msg and the attributes
}

// NewTail returns a Tail that passes records on to next.
func NewTail(next slog.Handler) *Tail {
	l := &latest{}
	options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: shorten}
	return &Tail{next: next, format: slog.NewJSONHandler(&l.text, options), latest: l}
}

// shorten clips a text, and shows durations and errors as text.
func shorten(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(Clip(v, maxTailedText))
	case error:
		a.Value = slog.StringValue(Clip(v.Error(), maxTailedText))
	default:
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
	}
	return a
}

// Enabled implements slog.Handler.
func (t *Tail) Enabled(ctx context.Context, level slog.Level) bool { return t.next.Enabled(ctx, level) }

// Handle implements slog.Handler.
func (t *Tail) Handle(ctx context.Context, r slog.Record) error {
	t.keep(ctx, r)
	return t.next.Handle(ctx, r)
}

// keep keeps a record. Of one that is too long it keeps only the message.
func (t *Tail) keep(ctx context.Context, r slog.Record) {
	l := t.latest
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
	_ = t.format.Handle(ctx, r) // into memory
	if n := l.text.Len(); n > maxRecord {
		short := slog.NewRecord(r.Time, r.Level, Clip(r.Message, maxTailedText), 0)
		short.AddAttrs(slog.Int("omitted_bytes", n))
		l.text.Reset()
		_ = slog.NewJSONHandler(&l.text, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(ctx, short)
	}
	if len(l.records) == maxRecords {
		copy(l.records, l.records[1:])
		l.records = l.records[:maxRecords-1]
	}
	l.last++
	l.records = append(l.records, Record{l.last, r.Level, bytes.Clone(bytes.TrimSpace(l.text.Bytes()))})
}

// WithAttrs implements slog.Handler.
func (t *Tail) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Tail{next: t.next.WithAttrs(attrs), format: t.format.WithAttrs(attrs), latest: t.latest}
}

// WithGroup implements slog.Handler.
func (t *Tail) WithGroup(name string) slog.Handler {
	return &Tail{next: t.next.WithGroup(name), format: t.format.WithGroup(name), latest: t.latest}
}

// Records returns the records with a number above after and at least this level, oldest first. A nil Tail has none.
func (t *Tail) Records(after uint64, level slog.Level) []Record {
	if t == nil {
		return nil
	}
	t.latest.mu.Lock()
	defer t.latest.mu.Unlock()
	var found []Record
	for _, r := range t.latest.records {
		if r.Number > after && r.Level >= level {
			found = append(found, r)
		}
	}
	return found
}
