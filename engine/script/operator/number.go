package operator

import (
	"errors"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxInteger is 2^53: up to it, every integer is a number of Lua.
const maxInteger = 1 << 53

// Text returns a number as text: whole numbers up to 2^53 in full, all others with 14 digits as in Lua 5.1; "inf", "-inf" and
// "nan". A negative zero is "0", and a NaN has no sign: both would depend on how they were computed.
func Text(f float64) string {
	switch {
	case f != f:
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	case f == math.Trunc(f) && math.Abs(f) <= maxInteger:
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', 14, 64)
}

// TextOf returns a string, or a number as text; "" for any other value.
func TextOf(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return Text(float64(v))
	}
	return ""
}

// spaces are the bytes for which C's isspace is true.
const spaces = " \t\n\v\f\r"

// Parse reads a number in the syntax of Lua 5.1: decimal or hexadecimal, with a fraction or an exponent, between spaces
// (gopher-lua's reads "010" as octal and refuses "1e5"). Unlike C's strtod it refuses "inf" and "nan": a client's text must
// not become one by its spelling.
func Parse(s string) (float64, bool) {
	s = strings.Trim(s, spaces)
	digits := strings.TrimLeft(s, "+-")
	allowed := "0123456789.eE+-"
	if len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		allowed = "0123456789abcdefABCDEFxXpP.+-"
		if !strings.ContainsAny(digits, "pP") {
			s += "p0" // strconv wants an exponent
		}
	}
	if strings.Trim(digits, allowed) != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return f, true
}

// Number returns a number, or the number that a string is the numeral of.
func Number(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return Parse(string(v))
	}
	return 0, false
}
