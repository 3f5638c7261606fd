package enginetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Section is what stands below one heading of a README, up to the next heading.
type Section struct {
	// Title is the heading's text.
	Title string
	// Chapter is the text of the last heading of the second level, this one or one above.
	Chapter string
	Blocks  []Block
}

// Block is a fenced block of a README.
type Block struct {
	// Path and Line are the README and the line of the text's beginning.
	Path string
	Line int
	// Language is what stands behind the opening fence.
	Language string
	// File is the file below scripts/ that a comment in the first line names; "" where there is none.
	File string
	Text string
}

// Place returns README and line, for messages.
func (b Block) Place() string { return fmt.Sprintf("%s:%d", b.Path, b.Line) }

// All returns the blocks of a language, in their order.
func (s Section) All(language string) []Block {
	var all []Block
	for _, b := range s.Blocks {
		if b.Language == language {
			all = append(all, b)
		}
	}
	return all
}

// Readme returns the sections of a README.
func Readme(tb testing.TB, readme string) []Section {
	tb.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		tb.Fatal(err)
	}
	heading, named := regexp.MustCompile(`^#+ `), regexp.MustCompile(`^(?:--|//|<!--) scripts/([a-z/_.]+)`)
	all := []Section{{}}
	var open *Block // that whose lines are read
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		last := &all[len(all)-1]
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open == nil && fence:
			open = &Block{Path: readme, Line: n + 1, Language: language}
		case fence:
			if match := named.FindStringSubmatch(open.Text); match != nil {
				open.File = match[1]
			}
			last.Blocks = append(last.Blocks, *open)
			open = nil
		case open != nil:
			open.Text += line
		case heading.MatchString(line):
			s := Section{Title: strings.TrimSpace(heading.ReplaceAllString(line, "")), Chapter: last.Chapter}
			if strings.HasPrefix(line, "## ") {
				s.Chapter = s.Title
			}
			all = append(all, s)
		}
	}
	if open != nil {
		tb.Fatalf("%s: the block has no end", open.Place())
	}
	return all
}

// WriteScripts writes the files that a README shows into a folder of scripts.
func WriteScripts(tb testing.TB, folder string, sections []Section) {
	tb.Helper()
	for _, s := range sections {
		for _, b := range s.Blocks {
			if b.File == "" {
				continue
			}
			file := filepath.Join(folder, filepath.FromSlash(b.File))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				tb.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(b.Text), 0o600); err != nil {
				tb.Fatal(err)
			}
		}
	}
}
