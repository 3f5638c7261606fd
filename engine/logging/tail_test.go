package logging

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A Tail passes everything on and keeps it as JSON, with the attributes of derived loggers.
func TestTail(t *testing.T) {
	var to bytes.Buffer
	tail := NewTail(slog.NewTextHandler(&to, &slog.HandlerOptions{Level: slog.LevelInfo}))
	log := slog.New(tail)
	log.Debug("logging: not enabled")
	log.Info("logging: first", "took", 1500*time.Microsecond, "error", errors.New("broken"))
	log.With("a", 1).WithGroup("g").Warn("logging: second", "b", strings.Repeat("é", 300))
	records := tail.Records(0, slog.LevelDebug)
	if len(records) != 2 || strings.Count(to.String(), "\n") != 2 {
		t.Fatalf("Records = %d, passed on %q, want 2 of each", len(records), to.String())
	}
	for i, want := range []string{
		`"level":"INFO","msg":"logging: first","took":"1.5ms","error":"broken"}`,
		`"level":"WARN","msg":"logging: second","a":1,"g":{"b":"` + strings.Repeat("é", 256) + `... (88 more bytes)"}}`,
	} {
		if got := string(records[i].JSON); !strings.HasSuffix(got, want) || !strings.HasPrefix(got, `{"time":"`) {
			t.Errorf("record %d = %s, want ...%s", i, got, want)
		}
	}
	if got := tail.Records(0, slog.LevelWarn); len(got) != 1 || got[0].Number != 2 {
		t.Errorf("Records of warnings = %v, want the second", got)
	}
	if got := tail.Records(1, slog.LevelDebug); len(got) != 1 || got[0].Number != 2 {
		t.Errorf("Records after 1 = %v, want the second", got)
	}
	if got := (*Tail)(nil).Records(0, slog.LevelDebug); got != nil {
		t.Errorf("Records of a nil Tail = %v, want none", got)
	}
}

// However much is logged, and however long it is, little is kept: the latest.
func TestTailBounds(t *testing.T) {
	tail := NewTail(slog.DiscardHandler)
	log := slog.New(tail)
	for i := range 3 * maxRecords {
		r := slog.NewRecord(time.Unix(0, 0), slog.LevelInfo, strings.Repeat("m", 1<<12), 0)
		for a := range 20 {
			r.AddAttrs(slog.Any(fmt.Sprint("a", a), []string{strings.Repeat("x", 1<<12)}))
		}
		r.AddAttrs(slog.Int("i", i))
		if err := log.Handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	records := tail.Records(0, slog.LevelDebug)
	if len(records) != maxRecords || records[len(records)-1].Number != 3*maxRecords {
		t.Fatalf("%d records are kept, the last is %d, want %d and %d", len(records), records[len(records)-1].Number, maxRecords, 3*maxRecords)
	}
	for _, r := range records {
		if len(r.JSON) > maxRecord || !bytes.Contains(r.JSON, []byte(`"omitted_bytes":`)) {
			t.Fatalf("a record of %d bytes is kept: %s, want a short one that says so", len(r.JSON), r.JSON)
		}
	}
}
