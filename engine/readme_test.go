package engine_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/spec"
	"perigee/scripts"
)

// examples returns the blocks of Lua in a README that begin with a comment that names their file.
func examples(t *testing.T, readme string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```lua\n(-- scripts/([a-z/_]+\\.lua)\n.*?)^```$")
	found := map[string]string{}
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		found[match[2]] = match[1]
	}
	return found
}

// write puts files into a folder.
func write(tb testing.TB, folder string, files map[string]string) {
	tb.Helper()
	for name, text := range files {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// The first message of the README does what the README says.
func TestReadmeFirstMessage(t *testing.T) {
	files := examples(t, "../README.md")
	if _, ok := files["clicker/init.lua"]; !ok {
		t.Fatalf("README.md has the examples %v, want scripts/clicker/init.lua", files)
	}
	folder := t.TempDir()
	write(t, folder, files)
	server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = folder, "clicker" })
	alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
	alice.Send(`{"name":"Click"}`)
	if frame := bob.Expect("Clicked"); frame["total"] != 1.0 || frame["by"] != alice.UUID {
		t.Errorf("bob < %v, want total 1 by %s", frame, alice.UUID)
	}
	bob.Send(`{"name":"ResetClicks"}`)
	bob.Expect("PromptForAuthentication")
}

// The mistake that the README shows is answered as the README says.
func TestReadmeMistake(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?m)^perigee: (scripts/clicker/init.lua:.*)$`).FindStringSubmatch(string(text))
	if said == nil {
		t.Fatal("README.md shows no mistake in scripts/clicker/init.lua")
	}
	files := examples(t, "../README.md")
	files["clicker/init.lua"] = strings.Replace(files["clicker/init.lua"], `{ protection = "none" }`, "{}", 1)
	folder := filepath.Join(t.TempDir(), "scripts")
	write(t, folder, files)
	c := config.Default()
	c.Lua.Path, c.Lua.Manager = folder, "clicker"
	_, err = engine.Check(t.Context(), engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
	if err == nil || err.Error() != said[1] {
		t.Errorf("Check without a protection = %v, want %s", err, said[1])
	}
}

// The tables of the README name every message that the giveaway takes, with its protection.
func TestReadmeMessages(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	server := enginetest.Start(t, nil)
	for _, message := range server.Status.Routes.Messages {
		protection := message.Protection.String()
		if strings.HasSuffix(message.Name, "ubscribe") {
			protection = "the topic's" // the message is for everybody, the topic decides
		}
		row := regexp.MustCompile("(?m)^\\|[^|]*`" + message.Name + "`[^|]*\\| " + protection + " \\|")
		if !row.Match(text) {
			t.Errorf("README.md has no row for %s with protection %s", message.Name, protection)
		}
	}
}

// The example of a spec in scripts/README.md passes, beside the example that it is about; and fails where that is wrong.
func TestReadmeSpec(t *testing.T) {
	files := examples(t, "../scripts/README.md")
	folder := filepath.Join(t.TempDir(), "scripts")
	write(t, folder, files)
	c := config.Default()
	c.Lua.Path = folder
	report, err := spec.Run(t.Context(), spec.Options{Config: c, Scripts: scripts.Files})
	if err != nil || report.Passed == 0 || len(report.Failures) > 0 {
		t.Errorf("Run of the example = %v, %v, want it to pass", report, err)
	}
	files["doorbell.lua"] = strings.Replace(files["doorbell.lua"], "by = arguments.by", `by = "nobody"`, 1)
	write(t, folder, files)
	report, err = spec.Run(t.Context(), spec.Options{Config: c, Scripts: scripts.Files})
	if err != nil || len(report.Failures) != 1 || !strings.Contains(report.String(), `by: expected "`) {
		t.Errorf("Run with another doorbell = %v, %v, want a failure that shows by", report, err)
	}
}
