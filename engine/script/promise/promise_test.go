package promise

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/logging"
)

// Rejections that nobody handles are logged once a second for each place, with how many were left unsaid.
func TestRejections(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1795384421, 0)
	k := New(Options{
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
		Next: func(_ string, run func()) { run() },
		Now:  func() time.Time { return now },
	})
	reject := func(place string) { k.promise(place).reject(lua.LString(strings.Repeat("!", 1<<20))) }
	for range 50 {
		reject("chat.lua:3")
	}
	reject("chat.lua:4")
	now = now.Add(time.Second)
	reject("chat.lua:3")
	lines := strings.SplitAfter(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("log has %d lines, want 3", len(lines))
	}
	for i, want := range []string{"place=chat.lua:3 ", "place=chat.lua:4 ", "unsaid=49"} {
		if !strings.Contains(lines[i], want) || len(lines[i]) > 2*logging.MaxValue {
			t.Errorf("line %d has %d bytes: %.100s, want it short with %s", i, len(lines[i]), lines[i], want)
		}
	}
}

// What runs after a turn that panicked is not taken for a part of it.
func TestWithinThatPanics(t *testing.T) {
	k := New(Options{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Within returned, want the panic of what it ran")
			}
		}()
		k.Within(t.Context(), func() { panic("broken") })
	}()
	if k.task != nil {
		t.Error("after the panic handlers run under a task that has ended, want none")
	}
}
