package report

import (
	"fmt"
	"strings"
	"time"

	"perigee/engine"
	"perigee/engine/console"
)

// Reload is the result of a reload, and the output of reload --json, a stable format for programs.
type Reload struct{ console.Reload }

// NewReload reports the result of a reload.
func NewReload(r engine.Reload) Reload { return Reload{r.Report()} }

// settingNote describes how a setting has changed, unless its values may be secret.
func settingNote(s console.Setting) string {
	if s.Before == nil {
		return ""
	}
	return string(s.Before) + " -> " + string(s.After)
}

// String is the output for people: a summary, then a table with a line for each change.
func (r Reload) String() string { return r.head() + "\n" + r.Table() }

func (r Reload) head() string {
	took := time.Duration(r.Took * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("reloaded: generation %d, in %s", r.Generation, took)
}

// Table lists changes and warnings.
func (r Reload) Table() string {
	var w strings.Builder
	for _, c := range r.Changes {
		fmt.Fprintf(&w, "%s\t%s %s\t%s\n", c.What, c.Kind, c.Name, changeNote(c))
	}
	for _, s := range r.Settings {
		fmt.Fprintf(&w, "changed\tsetting %s\t%s\n", s.Name, settingNote(s))
	}
	for _, s := range r.NeedsRestart {
		fmt.Fprintf(&w, "needs restart\tsetting %s\t%s\n", s.Name, settingNote(s))
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&w, "warning: %s\n", warning)
	}
	return w.String()
}

// Line is the output in one line.
func (r Reload) Line() string {
	var parts []string
	for _, c := range r.Changes {
		parts = append(parts, phrase(c.Kind+" "+c.Name+" "+c.What, changeNote(c)))
	}
	for _, s := range r.Settings {
		parts = append(parts, phrase("setting "+s.Name+" changed", settingNote(s)))
	}
	for _, s := range r.NeedsRestart {
		parts = append(parts, phrase("needs restart: "+s.Name, settingNote(s)))
	}
	parts = append(parts, r.Warnings...)
	if len(parts) == 0 {
		parts = []string{"no message, command or setting was added, removed or changed"}
	}
	return r.head() + ": " + strings.Join(parts, "; ")
}

// phrase appends a note in parentheses.
func phrase(what, note string) string {
	if note == "" {
		return what
	}
	return what + " (" + note + ")"
}

// changeNote describes a change.
func changeNote(c console.Change) string {
	if c.Weaker {
		return strings.TrimSpace(c.Detail + " (weaker)")
	}
	return c.Detail
}
