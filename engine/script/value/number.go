package value

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Problems of numbers. Rounding an id in silence would be worse than refusing it.
const (
	bigInteger = "an integer beyond 2^53; send it as a string, or see lua.big_integers"
	manyDigits = "a number beyond 2^52 with more digits than Lua keeps; send it as a string, or see lua.big_integers"
	outOfRange = "a number out of range"
)

// number returns a number of a JSON text; as text if Lua would change its digits and the limits say so.
func (d *decoder) number(text string) (lua.LValue, *PathError) {
	f, err := strconv.ParseFloat(text, 64)
	integer := !strings.ContainsAny(text, ".eE")
	if err == nil && Exact(text, f) && (!integer || math.Abs(f) <= maxInteger) {
		return lua.LNumber(f), nil
	}
	switch {
	case d.bigText:
		return lua.LString(text), nil
	case err != nil && !integer:
		return nil, tooMuch(outOfRange)
	case integer:
		return nil, tooMuch(bigInteger)
	}
	return nil, tooMuch(manyDigits)
}

// Exact reports whether a decimal number keeps all its digits as f, the nearest float64. A number with a fraction or an exponent
// also keeps them if they are the shortest ones that are read as f, or if f is below 2^52, from which on no fraction is left.
func Exact(decimal string, f float64) bool {
	if !strings.ContainsAny(decimal, ".eE") {
		return math.Abs(f) < maxInteger || strings.TrimLeft(decimal, "+-0") == strconv.FormatFloat(math.Abs(f), 'f', 0, 64)
	}
	if math.Abs(f) < maxInteger/2 {
		return true
	}
	digits := significant(decimal)
	return digits == significant(strconv.FormatFloat(f, 'e', -1, 64)) || digits == significant(strconv.FormatFloat(f, 'f', 0, 64))
}

// significant returns the digits of a decimal number without its exponent and the zeros at both ends.
func significant(decimal string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(decimal), "e")
	return strings.Trim(strings.ReplaceAll(strings.TrimLeft(mantissa, "+-"), ".", ""), "0")
}
