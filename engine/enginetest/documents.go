package enginetest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Document is one of the project's documents, a Markdown file.
type Document struct {
	// Path is relative to the root of the repository, with slashes.
	Path string
	// File is where it is on this machine.
	File     string
	Text     string
	Sections []Section
}

// Section is the part of a document below one heading, up to the next heading.
type Section struct {
	// Title is the heading's text.
	Title  string
	Blocks []Block
}

// Block is a fenced block of a document.
type Block struct {
	// Path and Line are the document and the line where the text begins.
	Path string
	Line int
	// Language is the word after the opening fence.
	Language string
	// File is the file below scripts/ that a comment in the first line names. Optional.
	File string
	Text string
}

// Place returns document and line, for messages.
func (b Block) Place() string { return fmt.Sprintf("%s:%d", b.Path, b.Line) }

// All returns the blocks of a language, in their order.
func (s Section) All(language string) []Block {
	return slices.DeleteFunc(slices.Clone(s.Blocks), func(b Block) bool { return b.Language != language })
}

// contributors is the document for those who change Perigee itself. Its examples are Go.
const contributors = "engine/README.md"

// Guides returns the documents for users, whose examples tests execute wherever they stand.
func Guides(tb testing.TB) []Document {
	tb.Helper()
	return slices.DeleteFunc(Documents(tb), func(d Document) bool { return d.Path == contributors })
}

// GuideText returns the text of all documents for users, for claims that hold wherever they stand.
func GuideText(tb testing.TB) string {
	tb.Helper()
	var all strings.Builder
	for _, d := range Guides(tb) {
		all.WriteString(d.Text + "\n")
	}
	return all.String()
}

// Documents returns all documents of the project. It must be called before the test changes its working directory.
func Documents(tb testing.TB) []Document {
	tb.Helper()
	root := repository(tb)
	var all []Document
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		name := filepath.Base(file)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".md":
			return nil
		}
		path, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		path = filepath.ToSlash(path)
		all = append(all, Document{Path: path, File: file, Text: string(text), Sections: sections(tb, path, string(text))})
		return nil
	})
	if err != nil || len(all) == 0 {
		tb.Fatalf("%s has %d documents, %v", root, len(all), err)
	}
	return all
}

// repository returns the root of the repository, in which the test runs.
func repository(tb testing.TB) string {
	tb.Helper()
	directory, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory
		}
		above := filepath.Dir(directory)
		if above == directory {
			tb.Fatal("the working directory is not in the repository")
		}
		directory = above
	}
}

// sections returns the sections of a document.
func sections(tb testing.TB, path, text string) []Section {
	tb.Helper()
	heading, named := regexp.MustCompile(`^#+ `), regexp.MustCompile(`^(?:--|//|<!--) scripts/([a-z/_.]+)`)
	all := []Section{{}}
	var open *Block // the block whose lines are read
	n := 0
	for line := range strings.Lines(text) {
		n++
		last := &all[len(all)-1]
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open == nil && fence:
			open = &Block{Path: path, Line: n + 1, Language: language}
		case fence:
			if match := named.FindStringSubmatch(open.Text); match != nil {
				open.File = match[1]
			}
			last.Blocks = append(last.Blocks, *open)
			open = nil
		case open != nil:
			open.Text += line
		case heading.MatchString(line):
			all = append(all, Section{Title: strings.TrimSpace(heading.ReplaceAllString(line, ""))})
		}
	}
	if open != nil {
		tb.Fatalf("%s: the block has no end", open.Place())
	}
	return all
}

// Showing returns the document and the section that show a file of scripts/.
func Showing(tb testing.TB, documents []Document, file string) (Document, Section) {
	tb.Helper()
	for _, d := range documents {
		for _, s := range d.Sections {
			if slices.ContainsFunc(s.Blocks, func(b Block) bool { return b.File == file }) {
				return d, s
			}
		}
	}
	tb.Fatalf("no document shows scripts/%s", file)
	return Document{}, Section{}
}

// WriteScripts writes the files that sections show into a directory of scripts.
func WriteScripts(tb testing.TB, directory string, sections []Section) {
	tb.Helper()
	places := map[string]string{}
	for _, s := range sections {
		for _, b := range s.Blocks {
			if b.File == "" {
				continue
			}
			if other := places[b.File]; other != "" {
				tb.Errorf("%s: scripts/%s is shown at %s already", b.Place(), b.File, other)
			}
			places[b.File] = b.Place()
			file := filepath.Join(directory, filepath.FromSlash(b.File))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				tb.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(b.Text), 0o600); err != nil {
				tb.Fatal(err)
			}
		}
	}
}
