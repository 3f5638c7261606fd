package metrics

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The types of metrics.
const (
	gauge     = "gauge"
	counter   = "counter"
	histogram = "histogram"
)

// family is one metric with all its series. The library is not used for these: it makes an object that stays for each
// series, while the series of scripts end with them, and it writes no HELP texts.
// Format: https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md
type family struct {
	name, kind, help string
	series           bytes.Buffer
}

type label struct{ name, value string }

// add appends a series. suffix is "" except for the parts of a histogram.
func (f *family) add(suffix string, value float64, labels ...label) {
	f.series.WriteString(f.name)
	f.series.WriteString(suffix)
	for i, l := range labels {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		f.series.WriteByte(before)
		fmt.Fprintf(&f.series, `%s="%s"`, l.name, escape(l.value))
	}
	if len(labels) > 0 {
		f.series.WriteByte('}')
	}
	fmt.Fprintf(&f.series, " %s\n", number(value))
}

// write appends the family to a page. A family without series is left out.
func (f *family) write(page *bytes.Buffer) {
	if f.series.Len() == 0 {
		return
	}
	fmt.Fprintf(page, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
	page.Write(f.series.Bytes())
}

// escape returns the value of a label, which is valid UTF-8, as it stands between quotes.
func escape(value string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(value)
}

func number(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }
