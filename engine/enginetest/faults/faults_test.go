package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every test in the table exists.
func TestTestsExist(t *testing.T) {
	declared := map[string]bool{} // by directory and name
	for _, f := range faults() {
		for directory, names := range f.Tests {
			files, err := filepath.Glob(filepath.Join("..", "..", "..", filepath.FromSlash(directory), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range parsed.Decls {
					if function, ok := d.(*ast.FuncDecl); ok {
						declared[directory+" "+function.Name.Name] = true
					}
				}
			}
			for _, name := range names {
				if !declared[directory+" "+name] {
					t.Errorf("%s: there is no test %s in %s", f.Number, name, directory)
				}
			}
		}
	}
}

// README.md has the faults of the code and nothing else, and each of them was measured.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := measurements(string(text))
	if want := render(faults(), rows); string(text) != want {
		t.Errorf("README.md is not what the command writes: got\n%s\nwant\n%s", text, want)
	}
	for _, f := range faults() {
		if rows[f.Number].figures == "" {
			t.Errorf("README.md has no figures on %s", f.Number)
		}
	}
}

// The output of go test becomes the cell of a table, and a test that fails or is missing is named in it.
func TestSummary(t *testing.T) {
	const output = `FAIL: text of the build
{"Action":"run","Test":"TestA"}
{"Action":"attr","Test":"TestA","Key":"measured","Value":"0 lost"}
{"Action":"attr","Test":"TestA/part","Key":"measured","Value":"0 twice"}
{"Action":"attr","Test":"TestA","Key":"other","Value":"x"}
{"Action":"fail","Test":"TestA/part"}
{"Action":"pass","Test":"TestA"}
{"Action":"output","Test":"TestB","Output":"it is broken\n"}
{"Action":"fail","Test":"TestB"}
{"Action":"pass","Test":"TestC"}
`
	var printed strings.Builder
	results := map[string]result{}
	for name, r := range read([]byte(output), &printed) {
		results["engine "+name] = r
	}
	if got, want := printed.String(), "it is broken\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	for want, names := range map[string][]string{
		"0 lost; 0 twice": {"TestA"},
		"tests passed: 1": {"TestC"},
		"**TestB did not pass**; **TestD did not pass**; 0 lost; 0 twice": {"TestA", "TestB", "TestD"},
	} {
		got, ok := fault{Tests: on("engine", names...)}.summary(results)
		if got != want || ok == strings.Contains(want, "not pass") {
			t.Errorf("summary of %v = %q, %v, want %q", names, got, ok, want)
		}
	}
}

// Faults are chosen by number.
func TestChoose(t *testing.T) {
	chosen, err := choose(faults(), []string{"F16", "F3"})
	if err != nil || len(chosen) != 2 || chosen[0].Number != "F16" || chosen[1].Number != "F3" {
		t.Errorf("choose(F16, F3) = %v, %v, want those two", chosen, err)
	}
	if _, err := choose(faults(), []string{"F99"}); err == nil {
		t.Error("choose(F99) = nil, want an error")
	}
	numbers := map[string]bool{}
	for _, f := range faults() {
		numbers[f.Number] = true
	}
	if all, _ := choose(faults(), nil); len(all) != len(numbers) || slices.ContainsFunc(all, func(f fault) bool { return f.Pass == "" }) {
		t.Errorf("%d of %d faults have a number of their own, want all, and each says what must hold", len(numbers), len(all))
	}
}
