package engine_test

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/scripts"
)

// Connections outlive an orderly restart if there is a state file, unless the settings say otherwise. What is left of the previous
// server is removed in any case, and never keeps a server from starting.
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
			if logged := strings.Contains(after.Log(), "not everything of the previous server was restored"); logged != c.damage {
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
			alice.Expect("Back")
			alice.Send(`{"name":"Ring"}`)
			if rang := alice.Expect("Rang"); rang["rings"] != 2.0 || rang["by"] != alice.UUID {
				t.Errorf("got %v, want the second ring of %s", rang, alice.UUID)
			}
		})
	}
}

// Topics keep their UUIDs and histories through an orderly restart if there is a state file. A client that comes back is told nothing of
// topics that are as before. A server whose scripts do not boot leaves the file for the next one.
func TestTopicsThroughRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	start := func() *enginetest.Server {
		return enginetest.Start(t, func(c *config.Config) {
			c.Lua.Path, c.Lua.Manager, c.State.File = "testdata", "topic_options", file
		})
	}
	before := start()
	alice := before.DialResumable(t, "alice")
	listed := alice.Expect("UpdateTopics")["topics"]
	alice.Send(`{"name":"Subscribe","topic":"news"}`)
	alice.Expect("UpdateSubscriptions")
	var kept enginetest.Frame
	for number := range 3 {
		alice.Send(fmt.Sprintf(`{"name":"Publish","topic":"news","number":%d}`, number))
		kept = alice.Expect("Published")
	}
	if err := before.Stop(); err != nil {
		t.Fatalf("Stop = %v", err)
	}
	failing := config.Default()
	failing.Server.Port, failing.Lua.Path, failing.Lua.Manager, failing.State.File = 0, "testdata", "no_such_manager", file
	failing.Queue.Driver = config.DriverMemory
	if err := engine.Run(t.Context(), engine.Options{Config: failing, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files}); err == nil {
		t.Error("Run without a manager = nil, want an error")
	}
	after := start()
	if _, err := os.Stat(file + ".topics"); !os.IsNotExist(err) {
		t.Errorf("Stat of the file once the server has started = %v, want no file", err)
	}
	alice = after.Resume(alice, false)
	if first := alice.Expect("ConnectionResumed"); first["complete"] != true {
		t.Errorf("first frame = %v, want it complete", first)
	}
	alice.Send(`{"name":"Publish","topic":"news","number":3}`)
	if next := alice.Expect("Published"); next["number"] != 3.0 {
		t.Errorf("got %v, want the number 3", next)
	}
	bob := after.Dial(t, "bob")
	if topics := bob.Expect("UpdateTopics")["topics"]; !slices.Equal(keys(topics), keys(listed)) {
		t.Errorf("topics after the restart = %v, want the UUIDs of %v", topics, listed)
	}
	bob.Send(`{"name":"Subscribe","topic":"news"}`)
	bob.Expect("UpdateSubscriptions")
	if first := bob.Expect("Published"); first["number"] != 2.0 || first["id"] != kept["id"] || first["timestamp"] != kept["timestamp"] {
		t.Errorf("the first message of the history = %v, want %v", first, kept)
	}
	if second := bob.Expect("Published"); second["number"] != 3.0 {
		t.Errorf("the second message of the history = %v, want the number 3", second)
	}
}

// keys returns the sorted keys of an object of a frame.
func keys(object any) []string {
	members, _ := object.(map[string]any)
	return slices.Sorted(maps.Keys(members))
}
