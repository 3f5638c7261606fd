package report

import (
	"fmt"
	"strings"

	"perigee/engine"
	"perigee/engine/console"
)

// Summary is the output of check for scripts that load.
func Summary(status engine.Status) string {
	var w strings.Builder
	w.WriteString(Messages(status.Routes) + "\n")
	for _, note := range status.Notes {
		fmt.Fprintf(&w, "note: %s\n", note)
	}
	for _, warning := range status.Warnings {
		fmt.Fprintf(&w, "warning: %s\n", warning)
	}
	w.WriteString("ok: " + count(len(status.Routes.Messages), "message") + ", " + count(len(status.Routes.Commands), "command"))
	if n := len(status.Warnings); n > 0 {
		w.WriteString(", " + count(n, "warning"))
	}
	return w.String() + "\n"
}

// count returns a number with its noun: "1 message", "2 messages".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Check is the output of check --json, a stable format for programs.
type Check struct {
	OK       bool     `json:"ok"`
	Messages int      `json:"messages"`
	Commands int      `json:"commands"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
	Notes    []string `json:"notes,omitempty"` // what the operating system cannot do for the settings, and what the queue service is used for
}

// NewCheck reports the registrations of the scripts, or why they do not load.
func NewCheck(status engine.Status, err error) Check {
	return Check{
		OK: err == nil, Messages: len(status.Routes.Messages), Commands: len(status.Routes.Commands),
		Problems: problems(err), Warnings: append([]string{}, status.Warnings...),
		Notes: status.Notes,
	}
}

func problems(err error) []string {
	if err == nil {
		return []string{}
	}
	return strings.Split(err.Error(), "\n")
}

// Comparison is the output of check --against-running --json, a stable format for programs.
type Comparison struct {
	OK           bool              `json:"ok"`
	Changes      []console.Change  `json:"changes"`
	Settings     []console.Setting `json:"settings"`
	NeedsRestart []console.Setting `json:"needs_restart"`
	Warnings     []string          `json:"warnings"`
	Problems     []string          `json:"problems"`
}

// NewComparison reports the changes that a reload would make, or why it would fail.
func NewComparison(r Reload, err error) Comparison {
	if err != nil {
		r = NewReload(engine.Reload{})
	}
	return Comparison{
		OK: err == nil, Changes: r.Changes, Settings: r.Settings, NeedsRestart: r.NeedsRestart, Warnings: r.Warnings, Problems: problems(err),
	}
}
