package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"perigee/engine"
	"perigee/engine/config"
)

// Reload is the result of a reload, and the output of reload --json, a stable format for programs.
type Reload struct {
	Generation   int       `json:"generation"`
	Took         float64   `json:"took"`  // seconds
	Pause        float64   `json:"pause"` // seconds during which clients waited
	Changes      []Change  `json:"changes"`
	Settings     []Setting `json:"settings"`
	NeedsRestart []Setting `json:"needs_restart"` // settings that have changed in the file, but not in the server
	Warnings     []string  `json:"warnings"`
}

// Setting is a changed setting.
type Setting struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"` // as in server.toml; both are missing if they may be secret
	After  json.RawMessage `json:"after,omitempty"`
}

// Change is a changed registration.
type Change struct {
	Kind   string `json:"kind"` // message, command, listener ...
	Name   string `json:"name"`
	What   string `json:"what"` // added, removed or changed
	Detail string `json:"detail,omitempty"`
	Weaker bool   `json:"weaker,omitempty"` // more clients may send it than before
}

// NewReload reports the result of a reload.
func NewReload(r engine.Reload) Reload {
	report := Reload{
		Generation:   r.Generation,
		Took:         r.Took.Seconds(),
		Pause:        r.Pause.Seconds(),
		Changes:      []Change{},
		Settings:     settingsOf(r.Settings),
		NeedsRestart: settingsOf(r.NeedsRestart),
		Warnings:     append([]string{}, r.Warnings...),
	}
	for _, c := range r.Changes {
		report.Changes = append(report.Changes, Change(c))
	}
	return report
}

func settingsOf(changes []config.Change) []Setting {
	reports := []Setting{}
	for _, c := range changes {
		report := Setting{Name: c.Name}
		if c.Before != nil {
			report.Before, report.After = jsonOf(c.Before), jsonOf(c.After)
		}
		reports = append(reports, report)
	}
	return reports
}

// jsonOf encodes the value of a setting, which looks in JSON as in the file.
func jsonOf(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		return nil // every type of a setting has JSON
	}
	return text
}

// note describes how a setting has changed, unless its values may be secret.
func (s Setting) note() string {
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
		fmt.Fprintf(&w, "%s\t%s %s\t%s\n", c.What, c.Kind, c.Name, c.note())
	}
	for _, s := range r.Settings {
		fmt.Fprintf(&w, "changed\tsetting %s\t%s\n", s.Name, s.note())
	}
	for _, s := range r.NeedsRestart {
		fmt.Fprintf(&w, "needs restart\tsetting %s\t%s\n", s.Name, s.note())
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
		parts = append(parts, phrase(c.Kind+" "+c.Name+" "+c.What, c.note()))
	}
	for _, s := range r.Settings {
		parts = append(parts, phrase("setting "+s.Name+" changed", s.note()))
	}
	for _, s := range r.NeedsRestart {
		parts = append(parts, phrase("needs restart: "+s.Name, s.note()))
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

// note describes a change.
func (c Change) note() string {
	if c.Weaker {
		return strings.TrimSpace(c.Detail + " (weaker)")
	}
	return c.Detail
}
