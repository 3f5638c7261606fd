package spec_test

import (
	"os"
	"path/filepath"
	"testing"

	"perigee/engine/spec"
)

// resumeApp signs people in by their cookie, and tells everybody which hooks run.
const resumeApp = `local base = require "manager"
local server = require "server"
local app = base:extend()
local function tell(hook, client)
  server.broadcast("Hook", { hook = hook, uuid = client.uuid })
end
function app:connect(request)
  local who = request.cookies.who
  if who == "nobody" then
    return false, 401, "sign in first"
  end
  return { user = who }
end
function app:open(client)
  base.open(self, client)
  client:send("Hello", { user = client.user })
  tell("open", client)
end
function app:drop(client) tell("drop", client) end
function app:resume(client, complete)
  base.resume(self, client, complete)
  tell("resume", client)
end
function app:close(client, reason)
  base.close(self, client, reason)
  tell("close", client)
end
return app
`

// A client of a spec comes back as one in life does: to its connection, or as somebody new if it was away for too long or connect
// names another user.
func TestResume(t *testing.T) {
	report := run(t, `local spec = require "spec"
local function as(who) return { cookies = { who = who } } end
local ann, watcher
local function heard(hook, uuid)
  watcher:expect("Hook", { hook = hook, uuid = uuid })
end
before_each(function()
  ann = spec.client({ request = as("ann") })
  ann:expect("Hello", { user = "ann" })
  ann:expect("Hook", { hook = "open" })
  watcher = spec.client()
  watcher:expect("Hello")
  watcher:expect("Hook", { hook = "open" })
  ann:expect("Hook", { hook = "open" })
end)
it("comes back to its connection", function()
  local uuid = ann.uuid
  ann:drop()
  assert.is_true(ann:resume())
  assert.equal(uuid, ann.uuid)
  assert.is_false(ann:resume({ fresh = true }))
  assert.equal(uuid, ann.uuid)
  for _, hook in ipairs({ "drop", "resume", "drop", "open", "resume" }) do
    heard(hook, uuid)
  end
  watcher:expect_nothing()
end)
it("is new if connect names another user, and the old connection ends with its window", function()
  local uuid = ann.uuid
  assert.is_nil(ann:resume({ request = as("bob") }))
  assert.is_true(uuid ~= ann.uuid)
  assert.equal("bob", ann.connection.user)
  assert.equal(ann.uuid, ann.connection.uuid)
  ann:expect("ConnectionEstablished", { connection = { uuid = ann.uuid } })
  ann:expect("Hello", { user = "bob" })
  heard("open", ann.uuid)
  heard("drop", uuid)
  spec.advance(59999)
  watcher:expect_nothing()
  spec.advance(1)
  heard("close", uuid)
  watcher:expect_nothing()
  ann:send("Uptime")
end)
it("is new if it was lost for too long, and keeps what it has received", function()
  local uuid = ann.uuid
  watcher:drop()
  assert.is_true(watcher:resume())
  ann:drop()
  spec.advance(60000)
  assert.is_nil(ann:resume())
  assert.is_true(uuid ~= ann.uuid)
  ann:expect("Hook", { hook = "drop", uuid = watcher.uuid })
  ann:expect("Hook", { hook = "resume", uuid = watcher.uuid })
  ann:expect("ConnectionEstablished")
  ann:expect("Hello", { user = "ann" })
end)
it("is new if its page was left for too long", function()
  local uuid = ann.uuid
  ann:drop({ left = true })
  heard("drop", uuid)
  spec.advance(4999)
  assert.is_false(ann:resume({ fresh = true }))
  heard("open", uuid)
  heard("resume", uuid)
  ann:drop({ left = true })
  heard("drop", uuid)
  spec.advance(5000)
  heard("close", uuid)
  assert.is_nil(ann:resume({ fresh = true }))
  ann:expect("ConnectionEstablished", { connection = { uuid = ann.uuid } })
  heard("open", ann.uuid)
end)
it("can be refused, and still come back", function()
  local uuid = ann.uuid
  local back, refused = ann:resume({ request = as("nobody") })
  assert.is_nil(back)
  assert.same({ status = 401, reason = "sign in first" }, refused)
  assert.is_false(ann.connected)
  heard("drop", uuid)
  assert.is_true(ann:resume())
  heard("resume", uuid)
  assert.equal(uuid, ann.uuid)
end)
it("does not come back once it is closed", function()
  ann:close()
  assert.has_error(function() ann:resume() end, "the client is closed: 1000")
  assert.has_error(function() ann:drop() end, "the client is closed: 1000")
end)
it("knows its options", function()
  assert.has_error(function() ann:drop({ gone = true }) end, "gone")
  assert.has_error(function() ann:resume({ left = true }) end, "left")
end)
`, func(o *spec.Options) {
		if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "app.lua"), []byte(resumeApp), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	for _, f := range report.Failures {
		t.Error(f.Text)
	}
	if report.Passed != 7 {
		t.Errorf("%d examples have passed, want 7", report.Passed)
	}
}
