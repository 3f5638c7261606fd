package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// shell runs the commands of a document, in the order in which a reader would type them.
type shell struct {
	t       *testing.T
	place   string
	printed string   // by the last command
	environ []string // of perigee
	port    string   // the port of servers
	keeps   bool     // a server that start begins keeps running until the test ends
}

// untested reports whether tests cannot run a command, or need not: a clone and the installation have happened, the tests do not have
// the rights of root, and TestTrace runs perigee trace.
func untested(command string) bool {
	for _, prefix := range []string{"git clone ", "go install ./cmd/perigee", "sudo ", "perigee trace"} {
		if strings.HasPrefix(command, prefix) {
			return true
		}
	}
	return false
}

// line runs commands that && joins.
func (s *shell) line(line string) {
	s.t.Helper()
	line, _, _ = strings.Cut(line, "#")
	for command := range strings.SplitSeq(line, " && ") {
		command = strings.TrimSpace(strings.Replace(command, "go run ./cmd/perigee", "perigee", 1))
		words := strings.Fields(command)
		switch {
		case len(words) == 0 || untested(command):
		case words[0] == "cd" && len(words) == 2:
			s.t.Chdir(words[1])
		case words[0] == "perigee" && len(words) > 1 && words[1] == "start":
			s.start(words)
		case words[0] == "perigee":
			var stdout, stderr bytes.Buffer
			code := run(s.t.Context(), words, s.environ, &stdout, &stderr)
			s.printed = stdout.String() + stderr.String()
			if mistake := strings.HasPrefix(s.printed, "perigee: ") || strings.Contains(s.printed, "\nperigee: "); (code != 0) != mistake {
				s.t.Errorf("%s: %s = %d, %s", s.place, command, code, s.printed)
			}
		default:
			s.t.Errorf("%s: no test can run %q", s.place, command)
		}
	}
}

// localPort is the address of a server that start has started.
var localPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// start runs a server until it has printed where it serves, or until the test ends.
func (s *shell) start(words []string) {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	read, stdout := io.Pipe()
	var stderr, printed bytes.Buffer // read only after the program has ended
	serves := make(chan struct{})
	code, served := 0, false // read only after the program has ended
	var wg sync.WaitGroup
	wg.Go(func() {
		code = run(ctx, append(words, "--port", s.port), s.environ, stdout, &stderr)
		_ = stdout.Close() // of a pipe, without error
	})
	wg.Go(func() {
		for lines := bufio.NewScanner(read); lines.Scan(); {
			line := lines.Text()
			printed.WriteString(localPort.ReplaceAllString(line, "127.0.0.1:8080") + "\n")
			if strings.HasPrefix(line, "websocket ") {
				served = true
				close(serves)
			}
		}
		if !served {
			close(serves)
		}
	})
	end := func() {
		s.t.Helper()
		stop()
		wg.Wait()
		s.printed = printed.String()
		if code != 0 || !served {
			s.t.Errorf("%s: %q = %d, want that it serves and ends with 0; %s", s.place, words, code, stderr.String())
		}
	}
	<-serves
	if s.keeps {
		s.t.Cleanup(end)
	} else {
		end()
	}
}

// block runs a block of commands. In a block of console they follow a $, and their output contains the other lines.
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
		case !strings.Contains(s.printed, line+"\n"):
			s.t.Errorf("%s: the command printed %s, want %s", s.place, s.printed, line)
		}
	}
}

// commands returns the commands of a section's blocks of console.
func commands(section enginetest.Section) []string {
	var all []string
	for _, b := range section.All("console") {
		for line := range strings.Lines(b.Text) {
			if command, typed := strings.CutPrefix(line, "$ "); typed {
				all = append(all, strings.TrimSpace(command))
			}
		}
	}
	return all
}

// needsServer reports whether the programs and commands of a section reach a server that runs, or its queue.
func needsServer(section enginetest.Section) bool {
	if len(section.All("php"))+len(section.All("python")) > 0 {
		return true
	}
	for _, command := range commands(section) {
		words := strings.Fields(strings.TrimPrefix(command, "go run ./cmd/"))
		switch {
		case words[0] != "perigee":
			return true
		case words[1] == "push", words[1] == "queue", words[1] == "reload", words[1] == "status", words[1] == "stop":
			return true
		}
	}
	return false
}

// starts reports whether a section starts the server that its commands reach.
func starts(section enginetest.Section) bool {
	for _, b := range section.All("sh") {
		if strings.Contains(b.Text, "perigee start") {
			return true
		}
	}
	return false
}

// Every command of the documents works where a reader would type it: those of the README beside a clone, all others in a new
// application. They print the output that is shown. The files that a section shows exist when its commands run.
func TestDocumentCommands(t *testing.T) {
	clone, err := os.ReadFile("../../server.toml")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, document := range enginetest.Guides(t) {
		t.Run(document.Path, func(t *testing.T) {
			directory := filepath.Join(t.TempDir(), "perigee")
			if code, _, stderr := perigee(t, nil, "init", directory); code != 0 {
				t.Fatalf("init = %d, %s", code, stderr)
			}
			t.Chdir(directory)
			if document.Path == "README.md" {
				t.Chdir("..")
				if err := os.WriteFile(filepath.Join(directory, "server.toml"), clone, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			environ := []string{"SERVER_QUEUE_DRIVER=memory"} // not jobs of others
			for _, section := range document.Sections {
				enginetest.WriteScripts(t, "scripts", []enginetest.Section{section})
				switch {
				case needsServer(section) && starts(section):
					ran++
					t.Run(section.Title, func(t *testing.T) { ownServer(t, section, environ) })
				case needsServer(section): // by TestDocumentJobs
				default:
					s := &shell{t: t, environ: environ, port: "0"}
					for _, b := range section.Blocks {
						if b.Language != "sh" && b.Language != "console" {
							continue
						}
						ran++
						mend := func() {}
						if strings.Contains(b.Text, "protection = ") {
							mend = forgetProtection(t)
						}
						s.block(b)
						mend()
					}
				}
			}
		})
	}
	if ran == 0 {
		t.Error("the documents have no commands, want some")
	}
}

// ownServer runs the commands of a section that starts the server that they reach.
func ownServer(t *testing.T, section enginetest.Section, environ []string) {
	t.Helper()
	_, number, err := net.SplitHostPort(testkit.ReservePort(t))
	if err != nil {
		t.Fatal(err)
	}
	environ = append([]string{"SERVER_PORT=" + number}, environ...)
	s := &shell{t: t, environ: environ, port: number, keeps: true}
	o := &outside{t: t, environ: environ}
	for _, b := range section.Blocks {
		if b.Language == "sh" {
			s.block(b)
			continue
		}
		b.Text = strings.ReplaceAll(b.Text, "8080", number)
		o.run(b)
	}
}

// forgetProtection makes the mistake that the README shows. The function that it returns mends it.
func forgetProtection(t *testing.T) (mend func()) {
	t.Helper()
	const file = "scripts/clicker/init.lua"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.Replace(text, []byte(`{ protection = "none" }`), []byte("{}"), 1))
	return func() {
		t.Helper()
		write(text)
	}
}

// The table of commands in the documents has every command, and no other.
func TestDocumentCommandLine(t *testing.T) {
	text := enginetest.GuideText(t)
	code, help, _ := perigee(t, nil, "--help")
	_, help, _ = strings.Cut(help, "COMMANDS:\n")
	help, _, _ = strings.Cut(help, "\n\n")
	for _, match := range regexp.MustCompile(`(?m)^ +([a-z]+)`).FindAllStringSubmatch(help, -1) {
		if command := match[1]; command != "help" && !strings.Contains(text, "\n| `perigee "+command) {
			t.Errorf("no document has a row for perigee %s", command)
		}
	}
	if code != 0 || help == "" {
		t.Errorf("--help = %d without commands", code)
	}
	for _, match := range regexp.MustCompile("\n\\| `perigee ([a-z]+)").FindAllStringSubmatch(text, -1) {
		if code, _, stderr := perigee(t, nil, match[1], "--help"); code != 0 {
			t.Errorf("perigee %s --help = %d, %s", match[1], code, stderr)
		}
	}
}
