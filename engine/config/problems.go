package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// What is wrong with keys, whatever their values.
var (
	errNotSetting = errors.New("no such setting")
	errTooMany    = errors.New("too many problems; the rest of the file was not looked at")
)

// maxProblems bounds what Load reports of one file: whoever has more has some other file.
const maxProblems = 100

// problems are collected, so that all are shown at once.
type problems []problem

type problem struct {
	at  place
	err error
}

func (p *problems) add(at place, err error) { *p = append(*p, problem{at, err}) }

// err returns all problems as one error, a line each: those of the file by line, then environment, then flags.
func (p problems) err() error {
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.at.layer, b.at.layer), cmp.Compare(a.at.line, b.at.line))
	})
	errs := make([]error, len(sorted))
	for i, one := range sorted {
		errs[i] = fmt.Errorf("%s: %w", one.at.label, one.err)
	}
	return errors.Join(errs...)
}

// hasSection tells whether a section of that name has settings.
func (l *loader) hasSection(name string) bool {
	return slices.ContainsFunc(l.settings, func(s setting) bool { return s.section == name })
}

// setting finds a setting by its section and key.
func (l *loader) setting(section, key string) (setting, bool) {
	i := slices.IndexFunc(l.settings, func(s setting) bool { return s.section == section && s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return l.settings[i], true
}

// unknown says that there is no such section, or no key outside of sections, and what may be meant.
func (l *loader) unknown(name string, isTable bool) error {
	sections := []string{"app", "processes"}
	for _, s := range l.settings {
		sections = append(sections, s.section)
	}
	what := "key"
	if isTable {
		what = "section"
	}
	meant := Nearest(name, sections)
	if !isTable {
		meant = cmp.Or(l.elsewhere(name), meant)
	}
	return didYouMean("unknown "+what, meant)
}

// unknownIn says that a section has no such key, and what may be meant.
func (l *loader) unknownIn(section, key string) error {
	var siblings []string
	for _, s := range l.settings {
		if s.section == section {
			siblings = append(siblings, s.key)
		}
	}
	return didYouMean("unknown key", cmp.Or(Nearest(key, siblings), l.elsewhere(key)))
}

// elsewhere returns the setting that has this key in some section, or "".
func (l *loader) elsewhere(key string) string {
	for _, s := range l.settings {
		if s.key == key {
			return s.Name
		}
	}
	return ""
}

func didYouMean(problem, meant string) error {
	if meant == "" {
		return errors.New(problem)
	}
	return fmt.Errorf("%s; did you mean %q?", problem, meant)
}

// Nearest returns the first of known that is closest to name, or "" when none is within two edits.
func Nearest(name string, known []string) string {
	const most = 2
	best, edits := "", most+1
	for _, candidate := range known {
		if len(name)-len(candidate) > most || len(candidate)-len(name) > most {
			continue // needs as many edits; and spares long names the work
		}
		if d := distance(name, candidate); d < edits && d < len(candidate) {
			best, edits = candidate, d
		}
	}
	return best
}

// distance counts the letters that must be changed, added or taken away to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
