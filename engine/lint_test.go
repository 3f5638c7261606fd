package engine_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/scripts"
)

// check returns the warnings of a check of an application: its scripts directory and its manager.
func check(t *testing.T, dir, manager string) []string {
	t.Helper()
	c := config.Default()
	c.Lua.Path, c.Lua.Manager = dir, manager
	status, err := engine.Check(t.Context(), engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
	if err != nil {
		t.Fatalf("Check = %v, want nil", err)
	}
	return status.Warnings
}

// check warns of names in the scripts that nothing defines, with their places and the nearest names.
func TestCheckWarnsOfUndefinedNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scripts")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"app.lua": `local base = require "manager"
local server = require "server"
local app = base:extend()

function app:boot()
  base.boot(self)
  local rooms = require "rooms"
  server.message("Ring", { protection = "none" }, function(client, message)
    server.brodcast("Rang", { by = client.uuid, rooms = rooms.count() })
    client:sned("Rang", { text = shout(message.text) })
    server.connections():each(function(other) other:clsoe() end)
  end)
end

function app:open(client)
  base.open(self, client)
  client:wave()
end

return app`,
		"rooms.lua": `local http, json, log = require "http", require "json", require "log"
local rooms = {}
function rooms.count()
  log.wran(json.encod(http.gett("http://rooms.example/")))
  return math.flor(#tostring(rooms)), COUNT
end
COUNT = 1
return rooms`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"scripts/app.lua:9:12: there is no server.brodcast; did you mean server.broadcast?",
		"scripts/app.lua:10:12: there is no client:sned; did you mean client:send?",
		"scripts/app.lua:10:34: undefined global shout",
		"scripts/app.lua:11:53: there is no client:clsoe; did you mean client:close?",
		"scripts/app.lua:17:10: there is no client:wave",
		"scripts/rooms.lua:4:7: there is no log.wran; did you mean log.warn?",
		"scripts/rooms.lua:4:17: there is no json.encod; did you mean json.encode?",
		"scripts/rooms.lua:4:28: there is no http.gett; did you mean http.get?",
		"scripts/rooms.lua:5:15: there is no math.flor; did you mean math.floor?",
	}
	if got := check(t, dir, "app"); !slices.Equal(got, want) {
		t.Errorf("warnings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// There is no warning about the scripts of the binary and about a new application.
func TestCheckWarnsOfNothing(t *testing.T) {
	for dir, manager := range map[string]string{"../scripts": "giveaway", "../cmd/perigee/template/scripts": "app"} {
		if got := check(t, dir, manager); len(got) > 0 {
			t.Errorf("warnings about %s: %q, want none", dir, got)
		}
	}
}

// There is no warning about the members of a script that takes the place of a module.
func TestCheckOfOwnModule(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scripts")
	write(t, dir, map[string]string{
		"crypto.lua": "return { seal = string.upper }",
		"app.lua":    "local base = require \"manager\"\nlocal crypto = require \"crypto\"\nlocal app = base:extend()\napp.sealed = crypto.seal(\"text\")\nreturn app",
	})
	if got := check(t, dir, "app"); len(got) > 0 {
		t.Errorf("warnings: %q, want none", got)
	}
}
