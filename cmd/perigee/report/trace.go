package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"perigee/engine/trace"
)

// Colors of a terminal (ECMA-48, 8.3.117).
const (
	colorIn     = "36" // cyan
	colorOut    = "32" // green
	colorBad    = "31" // red
	colorFaint  = "2"
	colorOthers = "0"
)

// TraceLine returns an event as a line for people: the time, the client or the receivers, > for a message that came, < for one that was
// sent, and = for what came of a message. A line before it says how many events are missing.
func TraceLine(e trace.Event, colored bool) string {
	paint := func(color, text string) string {
		if !colored {
			return text
		}
		return "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	var w strings.Builder
	if e.Dropped > 0 {
		w.WriteString(paint(colorBad, fmt.Sprintf("... %d events are missing here: they were not read fast enough", e.Dropped)) + "\n")
	}
	w.WriteString(paint(colorFaint, e.Time.Local().Format("15:04:05.000")+" "+oneLine(who(e))) + " ")
	color, text := what(e)
	return w.String() + paint(color, oneLine(text)) + "\n"
}

// who names the client or the receivers.
func who(e trace.Event) string {
	name := e.Connection
	if e.User != "" {
		name += " (" + e.User + ")"
	}
	switch {
	case e.Everybody:
		return "everybody"
	case e.Topic != "":
		return strings.TrimLeft(name+" topic "+e.Topic, " ")
	}
	return name
}

func what(e trace.Event) (color, text string) {
	switch e.Kind {
	case trace.In:
		return colorIn, "> " + e.Text
	case trace.Out:
		return colorOut, "< " + e.Text
	case trace.Refused:
		return colorBad, strings.TrimSpace("= "+e.Name) + " refused with " + e.Exception + ": " + e.Reason
	case trace.Failed:
		return colorBad, "= " + e.Name + " failed, ref " + e.Ref + " in the log"
	}
	took := time.Duration(e.Took * float64(time.Second)).Round(time.Microsecond)
	return colorOthers, "= " + e.Name + " " + e.Kind + " in " + took.String()
}

// oneLine returns a text as one line that cannot control a terminal.
func oneLine(text string) string {
	var w strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			w.WriteByte(' ')
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			quoted := strconv.QuoteRuneToASCII(r)
			w.WriteString(quoted[1 : len(quoted)-1])
		default:
			w.WriteRune(r)
		}
	}
	return w.String()
}
