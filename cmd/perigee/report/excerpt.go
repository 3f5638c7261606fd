package report

import (
	"fmt"
	"strings"

	"perigee/engine/failures"
)

// Excerpt returns the lines of a script around the place of a failure, and marks the one that failed. It returns "" if the lines are not
// known.
func Excerpt(f failures.Failure) string {
	file, failed := failures.SplitPlace(f.Place)
	if len(f.Source) == 0 {
		return ""
	}
	var w strings.Builder
	fmt.Fprintf(&w, "    %s\n", oneLine(file))
	for _, line := range f.Source {
		mark := " "
		if line.Number == failed {
			mark = ">"
		}
		w.WriteString(strings.TrimRight(fmt.Sprintf("  %s %5d | %s", mark, line.Number, oneLine(line.Text)), " ") + "\n")
	}
	return w.String()
}
