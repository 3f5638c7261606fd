package client_test

import (
	"bytes"
	"compress/gzip"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"perigee/engine/testkit"
	"perigee/engine/web/client"
)

// A page that waits for the library waits for a few packets at most: it is small without a build.
func TestSize(t *testing.T) {
	const maxLines, maxCompressed = 450, 3000
	source := read(t, "perigee.js")
	if lines := strings.Count(source, "\n"); lines > maxLines {
		t.Errorf("perigee.js has %d lines, want at most %d", lines, maxLines)
	}
	var compressed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = writer.Write([]byte(source)) // a bytes.Buffer never fails
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if compressed.Len() > maxCompressed {
		t.Errorf("perigee.js has %d bytes with gzip, want at most %d", compressed.Len(), maxCompressed)
	}
}

// The types declare what the module exports, and every function of a connection.
func TestTypes(t *testing.T) {
	source, types := read(t, "perigee.js"), read(t, "perigee.d.ts")
	exports := regexp.MustCompile(`(?m)^export (?:class|function) (\w+)`)
	if got, want := names(exports, types), names(exports, source); !slices.Equal(got, want) {
		t.Errorf("perigee.d.ts exports %q, want %q as perigee.js", got, want)
	}
	_, returned, _ := strings.Cut(source, "\n  return {\n")
	_, connection, _ := strings.Cut(types, "export interface Connection<")
	connection, _, _ = strings.Cut(connection, "\n}\n")
	got := slices.Compact(names(regexp.MustCompile(`(?m)^  (?:readonly )?(\w+)[<(:]`), connection))
	want := names(regexp.MustCompile(`(?m)^    (?:get )?(\w+)[,:(]`), returned)
	if !slices.Equal(got, want) {
		t.Errorf("Connection of perigee.d.ts has %q, want %q as in perigee.js", got, want)
	}
}

func names(of *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range of.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := client.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The client does what its own tests say, with a WebSocket that they play.
func TestUnderNode(t *testing.T) {
	node := testkit.Program(t, "node")
	output, err := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec", "perigee.test.js").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
