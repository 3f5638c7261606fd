package stdlib

import (
	"testing"
	"time"
)

func TestOS(t *testing.T) {
	// Dates come from Options.Now in its zone, and print as in C.
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 5, 9, 8, 7, 0, zone)
	examples(t, Options{Now: func() time.Time { return now }}, []example{
		{`os.time()`, `1793866087`},
		{`os.time(nil)`, `1793866087`},
		{`os.clock()`, `0`},
		{`os.difftime(5, 3), os.difftime(5)`, `2 5`},
		{`os.date()`, `"Thu Nov  5 09:08:07 2026"`},
		{`os.date(nil)`, `"Thu Nov  5 09:08:07 2026"`},
		{`os.date("!%c %Z")`, `"Thu Nov  5 08:08:07 2026 GMT"`},
		{`os.date("%a %A %b %B %h %d %e %D %F")`, `"Thu Thursday Nov November Nov 05  5 11/05/26 2026-11-05"`},
		{`os.date("%H %I %M %S %p %r %R %T %X %x")`, `"09 09 08 07 AM 09:08:07 AM 09:08 09:08:07 09:08:07 11/05/26"`},
		{`os.date("%j %u %w %U %V %W %g %G %C %y %Y %z %Z%n%t%%")`, `"309 4 4 44 45 44 26 2026 20 26 2026 +0100 CET\n\t%"`},
		{`os.date("%Q %E 100%")`, `"%Q %E 100%"`},
		{`os.date("!%H:%M", 3661.9)`, `"01:01"`},
		{`os.date("%Y", 1e300), os.date("%Y", 0/0)`, `nil nil`},
		{`os.date("!%Y-%m-%d", -62135596800 - 86400 * 366)`, `"0-01-01"`},
		{`os.date("!%Y %y %D %x %G %g", -62167219200 - 86400 * 2)`, `"-1 99 12/30/99 12/30/99 -1 99"`},
		{
			`(function() local d = os.date("*t") return d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday, d.isdst end)()`,
			`2026 11 5 9 8 7 5 309 false`,
		},
		{`os.date("!*t").hour, os.date("*tx")`, `8 "*tx"`},
		{`os.time(os.date("*t")) == os.time()`, `true`},
		{`os.time({year = 2026, month = 1, day = 1})`, `1767265200`},
		{`os.time({year = "2026", month = 14, day = -3, hour = 25})`, `1801180800`},
		{`os.time({year = 2026, month = 1, day = 1, isdst = true})`, `1767261600`},
		{`os.time({year = 2026})`, `error: t.lua:1: field 'day' missing in date table`},
		{`os.time(5)`, `error: t.lua:1: bad argument #1 to 'time' (table expected, got number)`},
		{`os.date({})`, `error: t.lua:1: bad argument #1 to 'date' (string expected, got table)`},
	})
}

func TestSummerTime(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("no zone data: %v", err)
	}
	// isdst says whether an hour is summer time; without it the zone decides.
	examples(t, Options{Now: func() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, zone) }}, []example{
		{`os.date("*t").isdst, os.date("%Z"), os.date("!%Z")`, `true "CEST" "GMT"`},
		{`os.time({year = 2026, month = 7, day = 1}) - os.time()`, `0`},
		{`os.time({year = 2026, month = 7, day = 1, isdst = true}) - os.time()`, `0`},
		{`os.time({year = 2026, month = 7, day = 1, isdst = false}) - os.time()`, `3600`},
	})
}
