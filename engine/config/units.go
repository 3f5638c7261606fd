package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written with its unit: "50ms", "10s", "1m30s". It is never negative.
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText parses a duration. The error does not contain the origin of the text.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		if _, err := strconv.ParseFloat(string(text), 64); err == nil && strings.Trim(string(text), "0123456789.") == "" {
			return fmt.Errorf("%s has no unit; write for example %q", show(string(text)), string(text)+"s")
		}
		return fmt.Errorf("%s is not a duration; write for example \"10s\" or \"250ms\"", show(string(text)))
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns d in the largest unit that divides it; minutes only from 2m on, since "60s" is more common than "1m".
func (d Duration) String() string {
	std := time.Duration(d)
	if std == 0 {
		return "0s"
	}
	for _, unit := range []struct {
		size   time.Duration
		suffix string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if std%unit.size == 0 && (unit.size != time.Minute || std != time.Minute) {
			return fmt.Sprint(int64(std/unit.size), unit.suffix)
		}
	}
	return std.String()
}

// Size is a number of bytes, written with a binary unit ("64KiB", "1MiB") or plain ("512"). It is never negative.
type Size int64

// The units of sizes. There are no decimal ones: "KB" means 1,000 bytes to some and 1,024 to others.
const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
	TiB       = 1024 * GiB
)

// errNotSize is wrapped by errors about sizes.
var errNotSize = errors.New(`is not a size; write for example "64KiB" or "1MiB"`)

// UnmarshalText parses a size. The error does not contain the origin of the text.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), Byte
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, unit = rest, u.size
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(unit) {
		return fmt.Errorf("%s %w", show(string(text)), errNotSize)
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText writes what String returns.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns s in the largest unit that divides it; bytes without a unit.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if s != 0 && s%u.size == 0 && u.size != Byte {
			return strconv.FormatInt(int64(s/u.size), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

type sizeUnit struct {
	suffix string
	size   Size
}

// sizeUnits returns the units, largest first; "B" is last since the others end with it.
func sizeUnits() []sizeUnit {
	return []sizeUnit{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", Byte}}
}

// Secret is a string that is never printed, logged or encoded. string(s) is its value.
type Secret string

// String never returns the secret.
func (Secret) String() string { return "[redacted]" }

// GoString never returns the secret.
func (Secret) GoString() string { return "[redacted]" }

// LogValue never returns the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText never writes the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
