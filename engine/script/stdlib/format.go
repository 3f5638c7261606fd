package stdlib

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// directive is one % of a format string, as in C.
type directive struct {
	flags     string // of - + # 0 and space, in any order
	width     int
	precision int // -1: none
	verb      byte
}

func (d *directive) has(flag string) bool { return strings.Contains(d.flags, flag) }

func (d *directive) drop(flag string) { d.flags = strings.ReplaceAll(d.flags, flag, "") }

// spec returns d in the syntax of Go's fmt.
func (d *directive) spec() string {
	spec := "%" + d.flags
	if d.width > 0 {
		spec += strconv.Itoa(d.width)
	}
	if d.precision >= 0 {
		spec += "." + strconv.Itoa(d.precision)
	}
	return spec + string(rune(d.verb))
}

// stringFormat is C's printf for the verbs c d i o u x X e E f g G q s.
func (l *library) stringFormat(c call) int {
	format := c.text(1)
	out := output{call: c, bytes: l.takeBuffer()}
	budget := c.budget()
	for argument := 2; ; argument++ {
		format = addLiteral(&out, format)
		if format == "" {
			break
		}
		budget.Spend(1)
		if argument > c.L.GetTop() {
			return c.argument(argument, "no value")
		}
		d, rest := parseDirective(c, format)
		format = rest
		out.directive(d, argument)
	}
	return l.finish(out)
}

// addLiteral adds the text before the next directive, and returns the rest without the directive's %.
func addLiteral(out *output, format string) (rest string) {
	for {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			out.add(format)
			return ""
		}
		out.add(format[:at])
		format = format[at+1:]
		if !strings.HasPrefix(format, "%") {
			if format == "" {
				out.invalid("")
			}
			return format
		}
		out.addByte('%')
		format = format[1:]
	}
}

func (c call) invalid(verb string) {
	c.raise("invalid option '%%%s' to 'format'", verb)
}

// parseDirective reads flags, a width and a precision of at most two digits, and the verb.
func parseDirective(c call, format string) (d directive, rest string) {
	flags := len(format) - len(strings.TrimLeft(format, "-+ #0"))
	if flags > 5 {
		c.raise("invalid format (repeated flags)")
	}
	d.flags = format[:flags]
	d.width, rest = twoDigits(format[flags:])
	d.precision = -1
	if strings.HasPrefix(rest, ".") {
		d.precision, rest = twoDigits(rest[1:])
	}
	if rest == "" {
		c.invalid("")
	}
	d.verb = rest[0]
	if '0' <= d.verb && d.verb <= '9' {
		c.raise("invalid format (width or precision too long)")
	}
	return d, rest[1:]
}

func twoDigits(s string) (n int, rest string) {
	for len(s) > 0 && n < 10 && '0' <= s[0] && s[0] <= '9' {
		n = n*10 + int(s[0]-'0')
		s = s[1:]
	}
	return n, s
}

// directive adds one argument.
func (o *output) directive(d directive, argument int) {
	switch d.verb {
	case 'c':
		o.pad(d, string([]byte{byte(o.integer(argument))}))
	case 'd', 'i':
		d.verb = 'd'
		o.add(fmt.Sprintf(d.spec(), toInteger(o.number(argument))))
	case 'o', 'u', 'x', 'X':
		n := toUnsigned(o.number(argument))
		d.drop("+")
		d.drop(" ")
		if n == 0 {
			d.drop("#")
		}
		if d.verb == 'u' {
			d.verb = 'd'
		}
		o.add(fmt.Sprintf(d.spec(), n))
	case 'e', 'E', 'f', 'g', 'G':
		o.float(d, o.number(argument))
	case 'q':
		o.quote(o.text(argument))
	case 's':
		s := o.text(argument)
		if d.precision >= 0 {
			s = s[:min(len(s), d.precision)]
		}
		o.pad(d, s)
	default:
		o.invalid(string([]byte{d.verb}))
	}
}

// pad adds text with spaces up to the width in bytes; Go's fmt counts runes.
func (o *output) pad(d directive, text string) {
	fill := strings.Repeat(" ", max(0, d.width-len(text)))
	if d.has("-") {
		o.add(text)
		text = ""
	}
	o.add(fill)
	o.add(text)
}

// float adds a number as Go's fmt prints it, which follows C except for infinities and NaN.
func (o *output) float(d directive, f float64) {
	if d.precision < 0 {
		d.precision = 6
	}
	if !math.IsNaN(f) && !math.IsInf(f, 0) {
		o.add(fmt.Sprintf(d.spec(), f))
		return
	}
	text := "inf"
	if f != f {
		text = "nan"
	}
	switch {
	case f < 0:
		text = "-" + text
	case d.has("+"):
		text = "+" + text
	case d.has(" "):
		text = " " + text
	}
	if d.verb < 'a' {
		text = strings.ToUpper(text)
	}
	o.pad(d, text)
}

// quote adds a string as Lua source.
func (o *output) quote(s string) {
	o.addByte('"')
	for i := range len(s) {
		switch b := s[i]; b {
		case '"', '\\', '\n':
			o.addByte('\\')
			o.addByte(b)
		case '\r':
			o.add(`\r`)
		case 0:
			o.add(`\000`)
		default:
			o.addByte(b)
		}
	}
	o.addByte('"')
}
