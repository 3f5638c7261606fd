package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/spec"
)

// forgetfulApp is an application whose handlers store what cannot be saved.
const forgetfulApp = `local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  server.message("Keep", { protection = "none" }, function(client) server.state("x").y = client end)
  server.message("Later", { protection = "none" }, function()
    server.sleep(1000)
    server.run("Cycle")
  end)
  server.command("Cycle", function() local x = server.state("x") x.self = x end)
  server.command("Nothing", function() end)
  server.message("Briefly", { protection = "none" }, function(client)
    local x = server.state("x")
    x.y = client
    server.run("Nothing")
    x.y = nil
  end)
end
return app
`

// An example fails if a handler stores what cannot be saved, with the place of that handler, unless it expects the error.
func TestStateThatCannotBeSaved(t *testing.T) {
	report := run(t, `local spec = require "spec"
it("keeps a client", function() spec.client():send("Keep") end)
it("waits", function() spec.client():send("Later") spec.advance(1000) end)
it("keeps a client within the turn", function() spec.client():send("Briefly") end)
it("expects it", function()
  spec.client():send("Keep")
  assert.matches('state "x": y: a client is not plain data', spec.errors()[1])
end)
`, func(o *spec.Options) {
		if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "app.lua"), []byte(forgetfulApp), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if report.Passed != 2 || len(report.Failures) != 2 {
		t.Fatalf("got %v, want 2 that pass and 2 that fail", report)
	}
	for i, want := range []string{
		`a value in server.state cannot be saved: state "x": y: a client is not plain data, stored by Keep (scripts/app.lua:6)`,
		`a value in server.state cannot be saved: state "x": self: the table contains itself, stored by Later (scripts/app.lua:7) or Cycle (scripts/app.lua:11)`,
	} {
		if text := report.Failures[i].Text; !strings.Contains(text, want) {
			t.Errorf("failure %d = %s, want %s", i, text, want)
		}
	}
}
