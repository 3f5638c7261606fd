package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/spec"
)

// gateApp is an application that decides who may connect.
const gateApp = `local base = require "manager"
local http = require "http"
local json = require "json"
local log = require "log"
local server = require "server"
local app = base:extend()
function app:connect(request)
  local how = request.path
  if how == "/session" then
    local answer = http.get("http://127.0.0.1:9000/session", { headers = { cookie = request.headers.cookie } })
    local session = answer and answer.status == 200 and answer:json()
    if not session then
      return false, 401, "sign in first"
    end
    return { user = session.user, roles = { "agent" }, data = { from = request.cookies.session }, name = "Ann", score = 3, admin = true }
  elseif how == "/full" then
    return false, 503
  elseif how == "/no" then
    return false
  elseif how == "/yes" then
    return true
  elseif how == "/sleep" then
    server.sleep(60000)
  elseif how == "/error" then
    error("broken")
  elseif how == "/number" then
    return 7
  elseif how == "/ok" then
    return false, 200
  elseif how == "/reason" then
    return false, 403, {}
  elseif how == "/uuid" then
    return { uuid = "mine" }
  elseif how == "/list" then
    return { "ann" }
  elseif how == "/user" then
    return { user = {} }
  elseif how == "/write" then
    request.path = "/"
  elseif how == "/log" then
    log.info("asked", { request = request, cookie = request.headers.cookie, all = { headers = request.headers, cookies = request.cookies } })
  end
end
function app:boot()
  base.boot(self)
  server.message("Who", { protection = "none", roles = { "agent" } }, function(client)
    local r = client.request
    client:send("You", {
      user = client.user, data = client.data, score = client.score, protocol = client.protocol, shown = json.encode(r),
      all = { r.path, r.query.room, r.headers["x-kind"], r.cookies.session, r.origin, r.user_agent, r.protocols[2], r.ip_address },
      count = server.connections():user(client.user):count(),
    })
  end)
end
return app
`

// The connect hook decides about the request of a client: it sets the first fields of the connection, or refuses it. Its faults
// cost only the client that it is called for.
func TestConnect(t *testing.T) {
	report := run(t, `local spec = require "spec"
local function connect(path)
  return spec.client({ request = { path = path } })
end
it("sets the first fields, before the open hook", function()
  spec.http("http://127.0.0.1:9000/session", { json = { user = "42" } })
  local alice = spec.client({ request = {
    path = "/session", query = { room = "tea" }, headers = { ["X-Kind"] = "test" }, cookies = { session = "abc" },
    origin = "https://game.example", user_agent = "spec", protocols = { "a", "b" },
  } })
  assert.equal("42", alice.connection.user)
  assert.same({ "Ann", 3, true }, { alice.connection.name, alice.connection.score, alice.connection.admin })
  assert.is_nil(alice.connection.data)
  alice:send("Who")
  alice:expect("You", {
    user = "42", data = { from = "abc" }, score = 3, count = 1,
    all = { "/session", "tea", "test", "abc", "https://game.example", "spec", "b", "127.0.0.1" },
    shown = '{"ip_address":"127.0.0.1","origin":"https://game.example","path":"/session","user_agent":"spec"}',
  })
end)
it("refuses", function()
  spec.http("http://127.0.0.1:9000/session", { status = 401 })
  for path, want in pairs({ ["/session"] = { 401, "sign in first" }, ["/full"] = { 503, "" }, ["/no"] = { 403, "" } }) do
    local client, refused = connect(path)
    assert.is_nil(client)
    assert.same(want, { refused.status, refused.reason })
  end
  assert.is_not_nil(connect("/yes"))
  assert.is_not_nil(spec.client())
end)
it("costs only its own client", function()
  local faults = {
    ["/sleep"] = "it takes longer than limits.handshake_timeout",
    ["/error"] = "broken",
    ["/number"] = "scripts/app.lua:7: the connect hook returned a number",
    ["/ok"] = "the connect hook refused with the status 200; it must be 401, 403, 404, 429 or 503",
    ["/reason"] = "the connect hook refused with a table as the reason",
    ["/uuid"] = "client.uuid is read-only",
    ["/list"] = "the fields of a client have names; found the key 1",
    ["/user"] = "client.user must be a string, not a table",
    ["/write"] = 'a request has no settable field "path"',
  }
  for path, problem in pairs(faults) do
    local client, refused = connect(path)
    assert.is_nil(client)
    assert.equal(path == "/sleep" and 503 or 500, refused.status)
    assert.is_nil(refused.reason:find(problem, 1, true))
    local errors = spec.errors()
    assert.equal(1, #errors)
    if not errors[1]:find(problem, 1, true) then
      error(errors[1])
    end
    local other = connect("/yes")
    assert.is_nil(other.closed)
    spec.advance(1000) -- the same place is logged once a second
  end
end)
it("shows no secret", function()
  spec.client({ request = { path = "/log", query = { ticket = "hidden" }, cookies = { session = "hidden" }, headers = { authorization = "hidden" } } })
  error("shown")
end)
it("knows the options of a request", function()
  for _, wrong in ipairs({ { paths = "/" }, { path = 7 }, { query = "a=1" }, { cookies = { a = 1 } }, { protocols = "a" } }) do
    assert.is_false(pcall(spec.client, { request = wrong }))
  end
end)
`, func(o *spec.Options) {
		if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "app.lua"), []byte(gateApp), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	var text strings.Builder
	for _, f := range report.Failures {
		text.WriteString(f.Text + "\n")
	}
	if report.Passed != 4 || len(report.Failures) != 1 {
		t.Errorf("got %v, want 4 that pass and 1 that shows its log:\n%s", report, &text)
	}
	if shown := text.String(); !strings.Contains(shown, `"path":"/log"`) || strings.Contains(shown, "hidden") {
		t.Errorf("the log shows\n%s\nwant the path and no secret", shown)
	}
}
