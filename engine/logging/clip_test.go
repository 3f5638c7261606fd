package logging

import (
	"strings"
	"testing"
)

// A long text is cut between two characters, and ends with how much is missing.
func TestClip(t *testing.T) {
	full := strings.Repeat("x", MaxValue)
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{full, full},
		{full + "yz", full + "... (2 more bytes)"},
		{full[1:] + "€", full[1:] + "... (3 more bytes)"},
		{full[2:] + "€€", full[2:] + "... (6 more bytes)"},
		{full + strings.Repeat("\x80", 9), full[1:] + "... (10 more bytes)"},
	} {
		if got := Clip(row.text, MaxValue); got != row.want {
			t.Errorf("Clip(%d bytes) = %d bytes, ...%q, want ...%q", len(row.text), len(got), got[max(0, len(got)-24):], row.want[max(0, len(row.want)-24):])
		}
	}
	if got := Clip("€", 1); got != "... (3 more bytes)" {
		t.Errorf("Clip(€, 1) = %q, want nothing of it", got)
	}
}
