package logging

import (
	"testing"
	"time"
)

// Of each second so many lines are taken, and the next one tells how many were not; also when the clock goes back.
func TestRate(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var r Rate
	for i, row := range []struct {
		after time.Duration
		want  Turn
	}{
		{0, Turn{Take: true}},
		{999 * time.Millisecond, Turn{Take: true}},
		{999 * time.Millisecond, Turn{First: true}},
		{999 * time.Millisecond, Turn{}},
		{time.Second, Turn{Take: true, Refused: 2}},
		{time.Second, Turn{Take: true}},
		{time.Second, Turn{First: true}},
		{-time.Hour, Turn{Take: true, Refused: 1}},
	} {
		if got := r.Ask(2, start.Add(row.after)); got != row.want {
			t.Errorf("line %d: Ask(2, +%s) = %+v, want %+v", i, row.after, got, row.want)
		}
	}
}
