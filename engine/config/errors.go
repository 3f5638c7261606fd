package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Errors about keys, whatever their values.
var (
	errNotSetting = errors.New("no such setting")
	errTooMany    = errors.New("too many errors; the rest of the file was not checked")
)

// maxErrors is the maximum number of errors that Load reports for one file. With more it is probably some other file.
const maxErrors = 100

// loadErrors collects errors, so that all are reported at once.
type loadErrors []loadError

type loadError struct {
	at  origin
	err error
}

func (e *loadErrors) add(at origin, err error) { *e = append(*e, loadError{at, err}) }

// join returns all errors as one, a line each: those of the file by line, then of variables, then of flags. It sorts e.
func (e loadErrors) join() error {
	slices.SortStableFunc(e, func(a, b loadError) int {
		return cmp.Or(cmp.Compare(a.at.source, b.at.source), cmp.Compare(a.at.line, b.at.line))
	})
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = fmt.Errorf("%s: %w", one.at.label, one.err)
	}
	return errors.Join(errs...)
}

// hasSection reports whether there is a section of settings with this name.
func (l *loader) hasSection(name string) bool {
	return slices.ContainsFunc(l.settings, func(s setting) bool { return s.section == name })
}

// setting returns a setting by its section and key.
func (l *loader) setting(section, key string) (setting, bool) {
	i := slices.IndexFunc(l.settings, func(s setting) bool { return s.section == section && s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return l.settings[i], true
}

// unknown returns the error of an unknown section, or of a key outside all sections, with a suggestion.
func (l *loader) unknown(name string, isTable bool) error {
	sections := []string{"app", "keys", "processes"}
	for _, s := range l.settings {
		sections = append(sections, s.section)
	}
	similar := Nearest(name, sections)
	if isTable {
		return didYouMean("unknown section", similar)
	}
	return didYouMean("unknown key", cmp.Or(l.withKey(name), similar))
}

// unknownIn returns the error of an unknown key in a section, with a suggestion.
func (l *loader) unknownIn(section, key string) error {
	var siblings []string
	for _, s := range l.settings {
		if s.section == section {
			siblings = append(siblings, s.key)
		}
	}
	return didYouMean("unknown key", cmp.Or(Nearest(key, siblings), l.withKey(key)))
}

// withKey returns the name of the first setting with this key in any section, or "".
func (l *loader) withKey(key string) string {
	for _, s := range l.settings {
		if s.key == key {
			return s.Name
		}
	}
	return ""
}

func didYouMean(problem, suggestion string) error {
	if suggestion == "" {
		return errors.New(problem)
	}
	return fmt.Errorf("%s; did you mean %q?", problem, suggestion)
}

// Nearest returns the string in known that is closest to name, or "" if none is within two edits.
func Nearest(name string, known []string) string {
	const most = 2
	best, edits := "", most+1
	for _, candidate := range known {
		if len(name)-len(candidate) > most || len(candidate)-len(name) > most {
			continue // needs more edits than that
		}
		if d := Distance(name, candidate); d < edits && d < len(candidate) {
			best, edits = candidate, d
		}
	}
	return best
}

// Distance returns the number of bytes to change, add or remove to turn a into b (Levenshtein distance).
func Distance(a, b string) int {
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
