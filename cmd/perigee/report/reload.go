package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"perigee/engine"
	"perigee/engine/config"
)

// Reload is what has come of a reload, and what reload --json writes: a promise to programs.
type Reload struct {
	Generation   int       `json:"generation"`
	Took         float64   `json:"took"`  // seconds
	Pause        float64   `json:"pause"` // seconds that clients waited
	Changes      []Change  `json:"changes"`
	Settings     []Setting `json:"settings"`
	NeedsRestart []Setting `json:"needs_restart"` // settings that have changed in the file only
	Warnings     []string  `json:"warnings"`
}

// Setting is a setting that is otherwise than before.
type Setting struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"` // as in server.toml; neither is there where they may be secret
	After  json.RawMessage `json:"after,omitempty"`
}

// Change is one thing that is registered otherwise than before.
type Change struct {
	Kind   string `json:"kind"` // message, command, listener ...
	Name   string `json:"name"`
	What   string `json:"what"` // added, removed or changed
	Detail string `json:"detail,omitempty"`
	Weaker bool   `json:"weaker,omitempty"` // more may send it than before
}

// OfReload reports what a server says of a reload.
func OfReload(r engine.Reload) Reload {
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

// jsonOf is a value of a setting, which looks in JSON as it does in the file.
func jsonOf(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		return nil // no setting is of a type that has no JSON
	}
	return text
}

// note says how a setting has changed, as far as everybody may know.
func (s Setting) note() string {
	if s.Before == nil {
		return ""
	}
	return string(s.Before) + " -> " + string(s.After)
}

// String is for people: a line that says it all, then one for each change, as a table.
func (r Reload) String() string { return r.head() + "\n" + r.Table() }

func (r Reload) head() string {
	took := time.Duration(r.Took * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("reloaded: generation %d, in %s", r.Generation, took)
}

// Table lists what has changed and what is to be known of it.
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

// Line is the same in one line.
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
		parts = []string{"the same messages, commands and settings as before"}
	}
	return r.head() + ": " + strings.Join(parts, "; ")
}

// phrase puts a note behind what it is about.
func phrase(what, note string) string {
	if note == "" {
		return what
	}
	return what + " (" + note + ")"
}

// note is what is to be known of a change.
func (c Change) note() string {
	if c.Weaker {
		return strings.TrimSpace(c.Detail + " (weaker)")
	}
	return c.Detail
}
