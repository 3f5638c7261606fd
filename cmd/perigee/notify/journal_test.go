package notify

import (
	"bytes"
	"io"
	"log/slog"
	"testing"
)

// Each line begins with the priority of its level, also those of derived loggers.
func TestJournalHandler(t *testing.T) {
	var written bytes.Buffer
	log := slog.New(NewJournalHandler(&written, func(w io.Writer) slog.Handler {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
	}))
	log.Debug("a")
	log.Info("b", "text", "two\nlines")
	log.With("x", 1).Warn("c")
	log.WithGroup("g").Error("d", "y", 2)
	want := "<7>level=DEBUG msg=a\n<6>level=INFO msg=b text=\"two\\nlines\"\n<4>level=WARN msg=c x=1\n<3>level=ERROR msg=d g.y=2\n"
	if got := written.String(); got != want {
		t.Errorf("written:\n%s\nwant:\n%s", got, want)
	}
}
