package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"perigee/engine/manager/inspect"
)

// Connections are a page of connections, and the output of connections --json, a stable format for programs.
type Connections struct {
	inspect.List[inspect.Connection]
}

// String is the output for people. Clients choose their names: whatever is not safe for terminals is escaped.
func (r Connections) String() string {
	var w strings.Builder
	w.WriteString("UUID\tNAME\tUSER\tTYPE\tADDRESS\tSINCE\tTOPICS\tMESSAGES\tIS\n")
	for _, c := range r.Items {
		is := "connected"
		if !c.Connected {
			is = "away"
		}
		if c.Admin {
			is += ", admin"
		}
		fmt.Fprintf(&w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", c.UUID, printable(c.Name), printable(c.User), printable(c.Type), c.Address,
			c.Since.Local().Format(time.DateTime), c.Topics, c.Messages, is)
	}
	fmt.Fprintf(&w, "\n%d of %d\n", len(r.Items), r.Total)
	if r.Next != "" {
		fmt.Fprintf(&w, "more: --after %s\n", r.Next)
	}
	return w.String()
}

// printable returns a text as one word for a terminal.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return cmp.Or(quoted[1:len(quoted)-1], "-")
}
