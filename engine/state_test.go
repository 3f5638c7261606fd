package engine_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/persist"
	"perigee/engine/testkit"
	"perigee/scripts"
)

// stateful returns settings with which a server keeps its state in a file.
func stateful(file string) func(c *config.Config) {
	return func(c *config.Config) { c.State.File = file }
}

func stop(t *testing.T, server *enginetest.Server) {
	t.Helper()
	if err := server.Stop(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
}

// Two servers cannot use the same file: each would overwrite what the other saves.
func TestStateOfTwoServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	server := enginetest.Start(t, stateful(file))
	options := engine.Options{Config: server.Config, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files}
	if err := engine.Run(t.Context(), options); !errors.Is(err, persist.ErrLocked) || !strings.Contains(err.Error(), file) {
		t.Errorf("Run with the file of a server that runs = %v, want %v and its path", err, persist.ErrLocked)
	}
	if _, err := engine.Check(t.Context(), options); err != nil {
		t.Errorf("Check with the file of a server that runs = %v, want nil", err)
	}
	stop(t, server)
}

// server.state is restored after a restart, before boot.
func TestStateOutlivesRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	server := enginetest.Start(t, stateful(file))
	admin := server.Dial(t, "admin")
	admin.Expect("UpdatePrizes")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	admin.Expect("ConnectionAuthenticated")
	admin.Send(`{"name":"AddPrize","prize":{"name":"Mug","sponsor":"Acme"}}`)
	admin.Expect("UpdatePrizes")
	stop(t, server)

	server = enginetest.Start(t, stateful(file))
	frame := server.Dial(t, "alice").Expect("UpdatePrizes")
	prizes, _ := frame["prizes"].([]any)
	if len(prizes) != 1 || prizes[0].(map[string]any)["name"] != "Mug" {
		t.Errorf("UpdatePrizes after a restart = %v, want the mug", frame)
	}
	stop(t, server)
}

// State is saved while the server runs.
func TestStateIsSavedAtInterval(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	enginetest.Start(t, func(c *config.Config) {
		c.State.File, c.State.Interval = file, config.Duration(10*time.Millisecond)
	})
	for deadline := time.Now().Add(testkit.Timeout); ; {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), `"prizes":{}`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s = %q, %v, want the prizes", file, text, err)
		}
		runtime.Gosched()
	}
}

// A table that cannot be saved is named in the log; the rest is saved, and the server continues.
func TestStateThatIsNoData(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.json")
	app := `
local base = require("manager")
local server = require("server")
local app = base:extend()
function app:boot()
  base.boot(self)
  server.state("bad", {}).nested = { callback = function() end }
  server.state("good", {}).x = 1
end
return app`
	if err := os.WriteFile(filepath.Join(dir, "app.lua"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	server := enginetest.Start(t, func(c *config.Config) {
		c.State.File, c.Lua.Path, c.Lua.Manager = file, dir, "app"
	})
	stop(t, server)
	if want := `state \"bad\": nested.callback: a function has no JSON form`; !strings.Contains(server.Log(), want) {
		t.Errorf("the log says\n%swant %s", server.Log(), want)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"good":{"x":1}`) || strings.Contains(string(text), "bad") {
		t.Errorf("the file holds %s, %v, want good and nothing of bad", text, err)
	}
}

// A handler that stores what cannot be saved is named in the log at once, long before the next save.
func TestStateNamesTheHandler(t *testing.T) {
	f := newFolder(t, app(`
base.boot(self)
local kept = server.state("kept", {})
server.message("Keep", { protection = "none" }, function(client)
  kept.last = client
  client:send("Kept")
end)
server.message("Wait", { protection = "none" }, function(client)
  kept.last = { [5] = 1 }
  client:send("Waiting")
  server.promise(function() end):await()
end)
server.message("Run", { protection = "none" }, function(client)
  kept.last = nil
  client:send("Ran", { all = server.run("Spoil") })
end)
server.command("Spoil", function() kept.list = { 1, 0 / 0 } end)`))
	server := f.serve(func(c *config.Config) {
		c.State.File, c.State.Interval = filepath.Join(t.TempDir(), "state.json"), config.Duration(time.Hour)
	})
	alice := server.Dial(t, "alice")
	for _, row := range []struct{ message, answer, fault, handler string }{
		{"Keep", "Kept", `last: a client is not plain data`, "Keep"},
		{"Wait", "Waiting", `last: the table has the key [5]`, "Wait"},
		{"Run", "Ran", `list[2]: NaN has no JSON form`, "Spoil"},
	} {
		alice.Send(`{"name":"` + row.message + `"}`)
		alice.Expect(row.answer)
		logged(t, server, `msg="script: a value in server.state cannot be saved" error="state \"kept\": `+row.fault, 1)
		if want := regexp.MustCompile(regexp.QuoteMeta(row.fault) + `.* stored_by=.*` + row.handler + ` \(\S+/app\.lua:\d+\)`); !want.MatchString(server.Log()) {
			t.Errorf("the log is\n%swant a line that matches %s", server.Log(), want)
		}
	}
}

// With a damaged state file the server does not start, and the file is not changed.
func TestDamagedState(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "the file is empty"},
		{`{"version":1,"state":{"prizes":[{"name`, "the file is truncated"},
		{`{"version":1,"state":{"prizes":7}}`, `state "prizes": a number; a state is a table`},
		{`{"version":9,"state":{}}`, `"version" is 9`},
	} {
		file := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		settings := config.Default()
		settings.Server.Port, settings.Lua.Path, settings.State.File = 0, "", file
		options := engine.Options{Config: settings, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files}
		if err := engine.Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Run with the state file %q = %v, want its path and %s", c.text, err, c.want)
		}
		if _, err := engine.Check(t.Context(), options); err == nil {
			t.Errorf("Check with the state file %q = nil, want what Run says", c.text)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != c.text {
			t.Errorf("after Run the state file %q is %q, %v, want it as it was", c.text, got, err)
		}
	}
}

// A check writes nothing.
func TestCheckSavesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	settings := config.Default()
	settings.Lua.Path, settings.State.File = "", file
	if _, err := engine.Check(t.Context(), engine.Options{Config: settings, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files}); err != nil {
		t.Fatalf("Check = %v, want nil", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Check, Stat(%s) = %v, want no file", file, err)
	}
}

// check and start fail if the state file cannot be written, so that nothing is lost later.
func TestStateUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	if err := os.Mkdir(file+".tmp", 0o700); err != nil { // a save is written there first
		t.Fatal(err)
	}
	c := config.Default()
	c.State.File, c.Lua.Path = file, t.TempDir()
	o := engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files}
	want := "state.file: cannot write to " + file + ": "
	if _, err := engine.Check(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Check = %v, want %q in it", err, want)
	}
	if err := engine.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v, want %q in it", err, want)
	}
}
