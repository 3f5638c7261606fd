package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// Clients send and receive what the transcripts contain. A transcript with a Lua file of the same name runs that as the manager,
// giveaway runs the give-away, and the others run the base manager. server.config.url is another server.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob = %v, %v, want transcripts", files, err)
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	other := otherServer(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := enginetest.Start(t, func(c *config.Config) {
				c.App = map[string]any{"url": other.URL}
				c.Processes = programs()
				switch _, err := os.Stat(filepath.Join(dir, name+".lua")); {
				case err == nil:
					c.Lua.Path, c.Lua.Manager = dir, name
				case name != "giveaway":
					c.Lua.Manager = "manager"
				}
			})
			runTranscriptFile(t, server, file)
			checkLint(t, server)
		})
	}
}
