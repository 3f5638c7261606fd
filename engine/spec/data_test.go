package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/spec"
)

// dataApp is an application whose handlers leave in client.data what it cannot hold.
const dataApp = `local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  server.message("Keep", { protection = "none" }, function(client) client.data.self = client end)
  server.message("Grow", { protection = "none" }, function(client) client.data.text = ("x"):rep(65536) end)
  server.message("Later", { protection = "none" }, function(client)
    local data = client.data
    server.sleep(1000)
    data.callback = print
  end)
  server.message("Briefly", { protection = "none" }, function(client)
    client.data.self = client
    client.data.self = nil
  end)
  server.message("Touch", { protection = "none" }, function(client) client.data.seen = true end)
  server.message("Look", { protection = "none" }, function(client) client:send("Seen", { data = client.data }) end)
end
return app
`

// A handler that leaves in client.data what it cannot hold fails its example, with its place, and changes nothing. A table that was
// kept over a wait is checked when it is read again.
func TestDataThatCannotBeKept(t *testing.T) {
	report := run(t, `local spec = require "spec"
local function undone(message)
  it("undoes " .. message, function()
    local alice = spec.client({ data = { step = 1 } })
    alice:send(message)
    alice:send("Look")
    alice:expect("Seen", { data = { step = 1 } })
  end)
end
undone("Keep")
undone("Grow")
it("allows it within a turn", function() spec.client():send("Briefly") end)
it("finds it later", function()
  local alice = spec.client()
  alice:send("Later")
  spec.advance(1000)
  assert.equal(0, #spec.errors())
  alice:send("Touch")
  assert.matches("callback: a function", spec.errors()[1])
  alice:send("Look")
  assert.same({}, alice:expect("Seen").data)
end)
`, func(o *spec.Options) {
		if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "app.lua"), []byte(dataApp), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if report.Passed != 2 || len(report.Failures) != 2 {
		t.Fatalf("got %v, want 2 that pass and 2 that fail", report)
	}
	for i, want := range []string{
		`a change of client.data was undone: self: a client is not plain data, stored by Keep (scripts/app.lua:6)`,
		`a change of client.data was undone: text: the text is larger than 64 KiB, stored by Grow (scripts/app.lua:7)`,
	} {
		if text := report.Failures[i].Text; !strings.Contains(text, want) {
			t.Errorf("failure %d = %s, want %s", i, text, want)
		}
	}
}
