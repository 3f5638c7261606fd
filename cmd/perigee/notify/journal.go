package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// StderrIsJournal reports whether systemd has connected standard error to the journal.
func StderrIsJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return is && err == nil // without systemd there is no such connection
}

// Prefix returns what the journal takes, at the beginning of a line, as the priority of that line (sd-daemon(3)).
func Prefix(level slog.Level) string {
	priority := journal.PriDebug
	switch {
	case level >= slog.LevelError:
		priority = journal.PriErr
	case level >= slog.LevelWarn:
		priority = journal.PriWarning
	case level >= slog.LevelInfo:
		priority = journal.PriInfo
	}
	return fmt.Sprintf("<%d>", priority)
}

// journalHandler begins each line of a handler with the prefix of its level.
type journalHandler struct {
	slog.Handler // writes into line

	out *journalLine
}

// journalLine is the line that a handler writes, and those that were derived from it.
type journalLine struct {
	to io.Writer

	mu sync.Mutex
	// Guarded by mu.
	line bytes.Buffer
}

// NewJournalHandler returns a handler that writes the lines of the handler that newHandler returns, each with the prefix of its
// level, in one call of to.Write. Lines must have no newline within.
func NewJournalHandler(to io.Writer, newHandler func(w io.Writer) slog.Handler) slog.Handler {
	out := &journalLine{to: to}
	return &journalHandler{newHandler(&out.line), out}
}

// Handle implements slog.Handler, as the methods below do.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	h.out.line.WriteString(Prefix(r.Level))
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.out.to.Write(h.out.line.Bytes())
	return err
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.out}
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.out}
}
