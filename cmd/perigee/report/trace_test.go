package report

import (
	"strings"
	"testing"
	"time"

	"perigee/engine/failures"
	"perigee/engine/trace"
)

// An excerpt marks the line that failed; without lines there is none.
func TestExcerpt(t *testing.T) {
	f := failures.Failure{Place: "scripts/app.lua:10", Source: []failures.Line{{Number: 9, Text: ""}, {Number: 10, Text: "\ta.x = 1\x1b[2J"}}}
	if got, want := Excerpt(f), "    scripts/app.lua\n        9 |\n  >    10 |  a.x = 1\\x1b[2J\n"; got != want {
		t.Errorf("Excerpt = %q, want %q", got, want)
	}
	if got := Excerpt(failures.Failure{Place: "scripts/app.lua:10"}); got != "" {
		t.Errorf("Excerpt without lines = %q, want nothing", got)
	}
}

// Each event is one line for people, which cannot control the terminal.
func TestTraceLine(t *testing.T) {
	at := time.Date(2026, 12, 1, 12, 30, 5, 113e6, time.Local)
	for _, row := range []struct {
		event trace.Event
		want  string
	}{
		{trace.Event{Kind: trace.In, Connection: "u1", Name: "A", Text: "{\n\t\"name\":\"A\"}"}, `u1 > {  "name":"A"}`},
		{trace.Event{Kind: trace.Out, Connection: "u1", User: "a\x1bda", Text: "\u009b2J\u202e\u2028"}, `u1 (a\x1bda) < \u009b2J\u202e\u2028`},
		{trace.Event{Kind: trace.Out, Topic: "chat", Text: "{}"}, `topic chat < {}`},
		{trace.Event{Kind: trace.Out, Connection: "u1", Topic: "chat", Text: "{}"}, `u1 topic chat < {}`},
		{trace.Event{Kind: trace.Out, Everybody: true, Text: "{}"}, `everybody < {}`},
		{trace.Event{Kind: trace.Handled, Connection: "u1", Name: "A", Took: 0.0123456}, `u1 = A handled in 12.346ms`},
		{trace.Event{Kind: trace.Prompted, Connection: "u1", Name: "A"}, `u1 = A prompted in 0s`},
		{trace.Event{Kind: trace.Refused, Connection: "u1", Exception: "InvalidMessage", Reason: "a message has a name"}, `u1 = refused with InvalidMessage: a message has a name`},
		{trace.Event{Kind: trace.Failed, Connection: "u1", Name: "A", Ref: "b3c1"}, `u1 = A failed, ref b3c1 in the log`},
	} {
		row.event.Time = at
		if got, want := TraceLine(row.event, false), "12:30:05.113 "+row.want+"\n"; got != want {
			t.Errorf("TraceLine(%+v) = %q, want %q", row.event, got, want)
		}
	}
	missing := TraceLine(trace.Event{Time: at, Kind: trace.In, Connection: "u1", Text: "{}", Dropped: 12}, false)
	if want := "... 12 events are missing here: they were not read fast enough\n12:30:05.113 u1 > {}\n"; missing != want {
		t.Errorf("TraceLine = %q, want %q", missing, want)
	}
	if colored := TraceLine(trace.Event{Time: at, Kind: trace.In, Connection: "u1", Text: "{}"}, true); strings.Count(colored, "\x1b[") != 4 {
		t.Errorf("TraceLine = %q, want two colors, each of which ends", colored)
	}
}
