package config

import (
	"strings"
	"testing"
	"time"
)

// Durations are parsed with their unit and formatted in the largest common one.
func TestDuration(t *testing.T) {
	for text, want := range map[string]struct {
		d     time.Duration
		shown string
	}{
		"0s": {0, "0s"}, "0": {0, "0s"}, "250ms": {250 * time.Millisecond, "250ms"}, "10s": {10 * time.Second, "10s"}, "60s": {time.Minute, "60s"},
		"1m": {time.Minute, "60s"}, "1m30s": {90 * time.Second, "90s"}, "120s": {2 * time.Minute, "2m"}, "1h": {time.Hour, "1h"}, "1.5s": {1500 * time.Millisecond, "1500ms"},
		"24h": {24 * time.Hour, "24h"}, "1us": {time.Microsecond, "1µs"},
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want.d || d.String() != want.shown {
			t.Errorf("UnmarshalText(%q) = %v, %v, shown %q, want %v, shown %q", text, d.Std(), err, d, want.d, want.shown)
		}
		var again Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("UnmarshalText(%q) = %v, %v, want %v again", d, again.Std(), err, d.Std())
		}
	}
	for text, want := range map[string]string{
		"": "not a duration", "10": `has no unit; write for example "10s"`, "1.5": `write for example "1.5s"`, "-10s": "not a duration",
		"-10": "not a duration", "10 s": "not a duration", "10sec": "not a duration", "1d": "not a duration", "inf": "not a duration",
		"NaN": "not a duration", "99999999999h": "not a duration", "0x10": "not a duration", "1e3": "not a duration", ".": "not a duration",
	} {
		d := Duration(7)
		if err := d.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || d != 7 {
			t.Errorf("UnmarshalText(%q) = %v, %v, want %q and no change", text, d, err, want)
		}
	}
}

// Sizes are parsed in binary units or plain bytes, and formatted in the largest unit that divides them.
func TestSize(t *testing.T) {
	for text, want := range map[string]struct {
		size  Size
		shown string
	}{
		"0": {0, "0"}, "512": {512, "512"}, "512B": {512, "512"}, "1024": {KiB, "1KiB"}, "64KiB": {64 * KiB, "64KiB"}, "1MiB": {MiB, "1MiB"},
		"1025KiB": {1025 * KiB, "1025KiB"}, "2GiB": {2 * GiB, "2GiB"}, "3TiB": {3 * TiB, "3TiB"}, "9223372036854775807": {1<<63 - 1, "9223372036854775807"},
		"8388607TiB": {8388607 * TiB, "8388607TiB"},
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want.size || s.String() != want.shown {
			t.Errorf("UnmarshalText(%q) = %d, %v, shown %q, want %d, shown %q", text, s, err, s, want.size, want.shown)
		}
	}
	for _, text := range []string{
		"", "B", "KiB", "64 KiB", "64kib", "64KB", "64K", "64k", "-1", "+1", "1.5MiB", "0x10", "1_000", "1e3", "9223372036854775808",
		"8388608TiB", "18446744073709551616", "1KiBB", "1BKiB", "64 potatoes",
	} {
		s := Size(7)
		err := s.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), `is not a size; write for example "64KiB"`) || s != 7 {
			t.Errorf("UnmarshalText(%q) = %d, %v, want an error and no change", text, s, err)
		}
	}
}
