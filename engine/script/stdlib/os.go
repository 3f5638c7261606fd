package stdlib

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/operator"
)

// openOS sets the part of os that only reads the clock. gopher-lua's date has "%a" as "mon" and no "%j", and its clock is
// always the machine's.
func (l *library) openOS(L *lua.LState) {
	t := L.NewTable()
	register(L, t, map[string]function{
		"clock":    l.osClock,
		"date":     l.osDate,
		"difftime": osDifftime,
		"time":     l.osTime,
	})
	L.SetGlobal("os", Shared{Name: "os", Contents: t}.Table(L))
}

// osClock returns the seconds since Open.
func (l *library) osClock(c call) int { return c.numbers(l.now().Sub(l.opened).Seconds()) }

func osDifftime(c call) int {
	earlier := 0.0
	if c.L.Get(2) != lua.LNil {
		earlier = c.number(2)
	}
	return c.numbers(c.number(1) - earlier)
}

func (l *library) osTime(c call) int {
	now := l.now()
	if c.L.Get(1) == lua.LNil {
		return c.numbers(float64(now.Unix()))
	}
	fields := c.table()
	field := func(name string, otherwise int) int {
		f, ok := fieldNumber(fields, name)
		switch {
		case ok:
			return int(max(math.MinInt32, min(f, math.MaxInt32)))
		case otherwise < 0:
			c.raise("field '%s' missing in date table", name)
		}
		return otherwise
	}
	second, minute, hour := field("sec", 0), field("min", 0), field("hour", 12)
	day, month, year := field("day", -1), field("month", -1), field("year", -1)
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, now.Location())
	if summer := fields.RawGetString("isdst"); summer != lua.LNil && lua.LVAsBool(summer) != t.IsDST() {
		const shift = time.Hour // as in C's mktime, the hour is given in the other time
		if t.IsDST() {
			t = t.Add(shift)
		} else {
			t = t.Add(-shift)
		}
	}
	return c.numbers(float64(t.Unix()))
}

// fieldNumber returns a number in a table, or a string that looks like one.
func fieldNumber(t *lua.LTable, name string) (float64, bool) {
	f, ok := operator.Number(t.RawGetString(name))
	return f, ok && f == f
}

func (l *library) osDate(c call) int {
	const most = 6e16 // seconds; C's years end there, and so does what it can print
	format := c.optText(1, "%c")
	t := l.now()
	if c.L.Get(2) != lua.LNil {
		seconds := c.number(2)
		if !(math.Abs(seconds) < most) {
			return c.push(lua.LNil)
		}
		t = time.Unix(int64(seconds), 0).In(t.Location())
	}
	if strings.HasPrefix(format, "!") {
		format, t = format[1:], t.In(time.FixedZone("GMT", 0)) // C's name for UTC
	}
	if format == "*t" {
		return c.push(dateTable(c.L, t))
	}
	out := output{call: c, bytes: l.takeBuffer()}
	budget := c.budget()
	for {
		at := strings.IndexByte(format, '%')
		if at < 0 || at+1 == len(format) {
			out.add(format)
			break
		}
		budget.Spend(1)
		out.add(format[:at])
		out.checkSize(64)
		out.bytes = appendDate(out.bytes, t, format[at+1])
		format = format[at+2:]
	}
	return l.finish(out)
}

// appendDate appends the result of one verb of C's strftime in the C locale (C99, 7.23.3.5). Any other byte stays as it is,
// with its %. Package strftime would fill years up to four digits, and shorten those before 0 to 00, which C does not.
func appendDate(dst []byte, t time.Time, verb byte) []byte {
	switch verb {
	case 'c':
		return strconv.AppendInt(strftime.AppendFormat(dst, "%a %b %e %T ", t), int64(t.Year()), 10)
	case 'D', 'x':
		return appendYearOfCentury(strftime.AppendFormat(dst, "%m/%d/", t), t.Year())
	case 'F':
		return strftime.AppendFormat(strconv.AppendInt(dst, int64(t.Year()), 10), "-%m-%d", t)
	case 'g':
		year, _ := t.ISOWeek()
		return appendYearOfCentury(dst, year)
	case 'G':
		year, _ := t.ISOWeek()
		return strconv.AppendInt(dst, int64(year), 10)
	case 'y':
		return appendYearOfCentury(dst, t.Year())
	case 'Y':
		return strconv.AppendInt(dst, int64(t.Year()), 10)
	}
	if strings.IndexByte("aAbBCdehHIjmMnprRStTuUVwWXzZ%", verb) < 0 {
		return append(dst, '%', verb)
	}
	return strftime.AppendFormat(dst, string([]byte{'%', verb}), t)
}

// appendYearOfCentury appends the last two digits of a year, counted from the beginning of its century.
func appendYearOfCentury(dst []byte, year int) []byte {
	n := (year%100 + 100) % 100
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func dateTable(L *lua.LState, t time.Time) *lua.LTable {
	date := L.CreateTable(0, 9)
	for _, field := range []struct {
		name  string
		value int
	}{
		{"sec", t.Second()},
		{"min", t.Minute()},
		{"hour", t.Hour()},
		{"day", t.Day()},
		{"month", int(t.Month())},
		{"year", t.Year()},
		{"wday", int(t.Weekday()) + 1},
		{"yday", t.YearDay()},
	} {
		date.RawSetString(field.name, lua.LNumber(field.value))
	}
	date.RawSetString("isdst", lua.LBool(t.IsDST()))
	return date
}
