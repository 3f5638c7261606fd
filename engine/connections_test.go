package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// Connections outlive an orderly restart if there is a state file, unless the settings say otherwise. What is left of the server
// before is removed in any case, and never keeps a server from starting.
func TestConnectionsThroughRestart(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(c *config.Config)
		damage  bool
		resumes bool
	}{
		{"with a state file", nil, false, true},
		{"without a state file", func(c *config.Config) { c.State.File = "" }, false, false},
		{"disabled", func(c *config.Config) { c.Resume.Restarts = false }, false, false},
		{"damaged", nil, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			kept := file + ".connections"
			start := func() *enginetest.Server {
				return enginetest.Start(t, func(settings *config.Config) {
					settings.Lua.Path, settings.Lua.Manager, settings.State.File = "testdata", "resume", file
					if c.change != nil {
						c.change(settings)
					}
				})
			}
			before := start()
			alice := before.DialResumable(t, "alice")
			alice.Expect("Welcome")
			alice.Send(`{"name":"Ring"}`)
			if rang := alice.Expect("Rang"); rang["rings"] != 1.0 {
				t.Errorf("got %v, want the first ring", rang)
			}
			if err := before.Stop(); err != nil {
				t.Fatalf("Stop = %v", err)
			}
			text, err := os.ReadFile(kept)
			if kept := err == nil; kept != (c.resumes || c.damage) || strings.Contains(string(text), alice.Token) {
				t.Errorf("the file of connections: %q, %v, want one that does not have the token, if any", text, err)
			}
			if c.damage {
				err = os.WriteFile(kept, text[:len(text)-10], 0o600)
			} else if !c.resumes {
				err = os.WriteFile(kept, []byte("left by an older run"), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			after := start()
			if _, err := os.Stat(kept); !os.IsNotExist(err) && file == after.Config.State.File {
				t.Errorf("Stat of the file once the server has started = %v, want no file", err)
			}
			if logged := strings.Contains(after.Log(), "connections of the server before are lost"); logged != c.damage {
				t.Errorf("the log says that connections are lost: %v, want %v", logged, c.damage)
			}
			alice = after.Resume(alice, false)
			want := map[bool]string{true: "ConnectionResumed", false: "ConnectionResumable"}[c.resumes]
			first := alice.Expect(want)
			if !c.resumes {
				return
			}
			if first["complete"] != true || first["taken"] != 1.0 {
				t.Errorf("first frame = %v, want it complete, with 1 message taken", first)
			}
			alice.Expect("Dropped")
			alice.Expect("UpdateTopics")
			alice.Expect("Back")
			alice.Send(`{"name":"Ring"}`)
			if rang := alice.Expect("Rang"); rang["rings"] != 2.0 || rang["by"] != alice.UUID {
				t.Errorf("got %v, want the second ring of %s", rang, alice.UUID)
			}
		})
	}
}
