package stdlib

import "strings"

// spaces are the bytes for which C's isspace is true.
const spaces = " \t\n\v\f\r"

// parseBase reads an integer in a base of 2 to 36, with an optional sign, spaces around, and "0x" in base 16.
func parseBase(s string, base int) (float64, bool) {
	s = strings.Trim(s, spaces)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if base == 16 && len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		s = s[2:]
	}
	if s == "" {
		return 0, false
	}
	var f float64
	for i := range len(s) {
		digit := digitOf(s[i])
		if digit >= base {
			return 0, false
		}
		f = f*float64(base) + float64(digit)
	}
	if negative {
		f = -f
	}
	return f, true
}

// digitOf returns the value of a digit or letter; that of any other byte is beyond every base.
func digitOf(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'z':
		return int(b|0x20-'a') + 10
	}
	return 99
}

// toInteger drops the fraction of f. Numbers beyond int64 become the nearest one, NaN becomes 0.
func toInteger(f float64) int64 {
	const limit = 1 << 63
	switch {
	case f != f:
		return 0
	case f >= limit:
		return limit - 1
	case f < -limit:
		return -limit
	}
	return int64(f)
}

// toUnsigned converts f as C does for %u and %x: negative numbers wrap around.
func toUnsigned(f float64) uint64 {
	const limit = 1 << 63
	switch {
	case f >= 2*limit:
		return 1<<64 - 1
	case f >= limit:
		return uint64(f)
	}
	return uint64(toInteger(f))
}
