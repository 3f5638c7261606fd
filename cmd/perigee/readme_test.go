package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"perigee/engine/enginetest"
)

// shell runs the commands of READMEs, in the order in which a reader would type them.
type shell struct {
	t     *testing.T
	place string
	said  string // what the last command printed
}

// elsewhere are commands that tests cannot run, or need not: a clone and the installation have happened, and .ci/run is
// what runs the tests.
func elsewhere(command string) bool {
	return strings.HasPrefix(command, "git clone ") || command == "go install ./cmd/perigee" || command == ".ci/run"
}

// line runs commands that && joins.
func (s *shell) line(line string) {
	s.t.Helper()
	line, _, _ = strings.Cut(line, "#")
	for command := range strings.SplitSeq(line, " && ") {
		command = strings.TrimSpace(strings.Replace(command, "go run ./cmd/perigee", "perigee", 1))
		words := strings.Fields(command)
		switch {
		case len(words) == 0 || elsewhere(command):
		case words[0] == "cd" && len(words) == 2:
			s.t.Chdir(words[1])
		case words[0] == "perigee" && len(words) > 1 && words[1] == "start":
			s.start(words)
		case words[0] == "perigee":
			var stdout, stderr bytes.Buffer
			code := run(s.t.Context(), words, nil, &stdout, &stderr)
			s.said = stdout.String() + stderr.String()
			if mistake := strings.HasPrefix(s.said, "perigee: ") || strings.Contains(s.said, "\nperigee: "); (code != 0) != mistake {
				s.t.Errorf("%s: %s = %d, %s", s.place, command, code, s.said)
			}
		default:
			s.t.Errorf("%s: no test can run %q", s.place, command)
		}
	}
}

// start runs a server until it has said where it serves.
func (s *shell) start(words []string) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	said, stdout := io.Pipe()
	var stderr bytes.Buffer // read only after the program has ended
	ended := make(chan int, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		ended <- run(ctx, append(words, "--port", "0"), nil, stdout, &stderr)
		_ = stdout.Close() // of a pipe, without error
	})
	lines, serves := bufio.NewScanner(said), false
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "websocket ") {
			serves = true
			stop()
		}
	}
	stop()
	wg.Wait()
	if code := <-ended; code != 0 || !serves {
		s.t.Errorf("%s: %q = %d, want that it serves and ends with 0; %s", s.place, words, code, stderr.String())
	}
}

// block runs a block of commands. In one of console they stand behind a $, and what follows is among what they print.
func (s *shell) block(b enginetest.Block) {
	s.t.Helper()
	s.place = b.Place()
	for line := range strings.Lines(b.Text) {
		line = strings.TrimSuffix(line, "\n")
		command, typed := strings.CutPrefix(line, "$ ")
		switch {
		case b.Language == "sh":
			s.line(line)
		case typed:
			s.line(command)
		case !strings.Contains(s.said, line+"\n"):
			s.t.Errorf("%s: the command printed %s, want %s", s.place, s.said, line)
		}
	}
}

// Every command of the READMEs works where a reader would type it: in a clone for the one, in a new application for the
// other. What is printed is as shown.
func TestReadmeCommands(t *testing.T) {
	for readme, folder := range map[string]string{"../../README.md": "perigee", "../../scripts/README.md": "app"} {
		t.Run(folder, func(t *testing.T) {
			sections := enginetest.Readme(t, readme)
			settings, err := os.ReadFile("../../server.toml")
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(t.TempDir(), folder)
			if code, _, stderr := perigee(t, nil, "init", folder); code != 0 {
				t.Fatalf("init = %d, %s", code, stderr)
			}
			settings = bytes.Replace(settings, []byte(`driver = "beanstalkd"`), []byte(`driver = "memory"`), 1) // not jobs of others
			if err := os.WriteFile(filepath.Join(folder, "server.toml"), settings, 0o600); err != nil {
				t.Fatal(err)
			}
			enginetest.WriteScripts(t, filepath.Join(folder, "scripts"), sections)
			ran := 0
			for _, section := range sections {
				for _, b := range section.Blocks {
					if b.Language != "sh" && b.Language != "console" || section.Chapter == jobsChapter || section.Title == monitoring {
						continue
					}
					ran++
					t.Chdir(folder)
					if strings.HasPrefix(b.Text, "git clone ") {
						t.Chdir("..")
					}
					if strings.Contains(b.Text, "protection = ") {
						forgetProtection(t)
					}
					(&shell{t: t}).block(b)
				}
			}
			if ran == 0 {
				t.Errorf("%s has no commands, want some", readme)
			}
		})
	}
}

// forgetProtection makes the mistake that the README shows.
func forgetProtection(t *testing.T) {
	t.Helper()
	const file = "scripts/clicker/init.lua"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`{ protection = "none" }`), []byte("{}"), 1)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The table of commands in the README has every command, and no other.
func TestReadmeCommandLine(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, help, _ := perigee(t, nil, "--help")
	_, help, _ = strings.Cut(help, "COMMANDS:\n")
	help, _, _ = strings.Cut(help, "\n\n")
	for _, match := range regexp.MustCompile(`(?m)^ +([a-z]+)`).FindAllStringSubmatch(help, -1) {
		if command := match[1]; command != "help" && !bytes.Contains(text, []byte("\n| `perigee "+command)) {
			t.Errorf("README.md has no row for perigee %s", command)
		}
	}
	if code != 0 || help == "" {
		t.Errorf("--help = %d without commands", code)
	}
	for _, match := range regexp.MustCompile("\n\\| `perigee ([a-z]+)").FindAllSubmatch(text, -1) {
		if code, _, stderr := perigee(t, nil, string(match[1]), "--help"); code != 0 {
			t.Errorf("perigee %s --help = %d, %s", match[1], code, stderr)
		}
	}
}
