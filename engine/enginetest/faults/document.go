package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// measurement is the part of a row that a run fills in.
type measurement struct{ figures, when string }

// header begins the document.
const header = `# Faults

What the server bears, and what was measured. The command ` + "`go run ./engine/enginetest/faults`" + ` causes the faults at full scale, by running
the tests in the last column, and fills in the table; with numbers, such as ` + "`F3 F16`" + `, it renews only their rows. Everything happens on
127.0.0.1. In an ordinary run the same tests cause the same faults at a smaller scale.

Times depend on the machine and on what else it does, and are no part of what the tests require.

| # | fault | must hold | measured | when, on | tests |
|---|---|---|---|---|---|
`

// render returns the document.
func render(all []fault, rows map[string]measurement) string {
	var b strings.Builder
	b.WriteString(header)
	for _, f := range all {
		what := f.Pass
		if f.Note != "" {
			what += " (" + f.Note + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Number, f.What, what, rows[f.Number].figures, rows[f.Number].when, f.tests())
	}
	return b.String()
}

// measurements returns the measurements in a document, by the number of the fault.
func measurements(document string) map[string]measurement {
	rows := map[string]measurement{}
	for line := range strings.Lines(document) {
		if cells := strings.Split(line, " | "); len(cells) == 6 {
			rows[strings.TrimPrefix(cells[0], "| ")] = measurement{cells[3], cells[4]}
		}
	}
	return rows
}

// tests returns the tests of a fault, by package.
func (f fault) tests() string {
	var packages []string
	for _, directory := range slices.Sorted(maps.Keys(f.Tests)) {
		packages = append(packages, "`"+directory+"` "+strings.Join(f.Tests[directory], ", "))
	}
	return strings.Join(packages, "; ")
}

// summary returns what the tests of a fault measured, and reports whether all of them passed.
func (f fault) summary(results map[string]result) (text string, ok bool) {
	var figures, wrong []string
	passed := 0
	for _, directory := range slices.Sorted(maps.Keys(f.Tests)) {
		for _, name := range f.Tests[directory] {
			r := results[directory+" "+name]
			if r.outcome == "pass" {
				passed++
			} else {
				wrong = append(wrong, "**"+name+" did not pass**")
			}
			figures = append(figures, r.figures...)
		}
	}
	if len(wrong) == 0 && passed > len(figures) {
		figures = append(figures, fmt.Sprintf("tests passed: %d", passed))
	}
	return strings.Join(append(wrong, figures...), "; "), len(wrong) == 0
}
