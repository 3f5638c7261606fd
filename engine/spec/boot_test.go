package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/spec"
)

// hooks is a manager whose hooks do what they do in life: its boot asks another server and starts a program, and its stop waits.
const hooks = `local base, http, server = require("manager"), require("http"), require("server")
local hooks = base:extend()
function hooks:boot()
  base.boot(self)
  local answer, reason = http.get("http://weather.test/bern")
  if not answer then error("no weather: " .. reason) end
  local known = server.state("weather", { closed = 0, ticks = 0 })
  known.text = answer.body
  server.execute("touch", { on_output = function(line) known.line = line end })
  server.every(1000, function() known.ticks = known.ticks + 1 end)
  server.message("Sleep", { protection = "none" }, function(_, m) known.sleep = m.ms end)
end
function hooks:close(client, reason)
  local known = server.state("weather")
  known.closed, known.reason = known.closed + 1, reason
end
function hooks:stop()
  server.broadcast("Stopping")
  server.sleep(server.state("weather").sleep or 0)
  server.state("weather").stopped = true
end
return hooks
`

// runHooks runs a file of specs against that manager.
func runHooks(t *testing.T, text string) spec.Report {
	t.Helper()
	return run(t, text, func(o *spec.Options) {
		o.Config.Lua.Manager = "hooks"
		if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "hooks.lua"), []byte(hooks), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

// Fakes that boot meets can be added for the file, for a group, or by an example before it uses the server.
func TestBootHasFakes(t *testing.T) {
	t.Parallel()
	report := runHooks(t, `local spec = require "spec"
spec.http("http://weather.test/*", { body = "sun" })
spec.process("touch", { output = { "ready" } })
it("has what the file adds", function()
  local known = spec.state("weather")
  assert.equal("sun", known.text)
  assert.equal("ready", known.line)
end)
it("has what it adds itself", function()
  spec.http("http://weather.test/bern", { body = "snow" })
  assert.equal("snow", spec.state("weather").text)
end)
describe("a group", function()
  before_each(function() spec.http("http://weather.test/bern", { body = "rain" }) end)
  it("has what before_each adds", function() assert.equal("rain", spec.state("weather").text) end)
end)
describe("an outage", function()
  spec.http("http://weather.test/bern", { reason = "timeout" })
  it("keeps the scripts from loading", function()
    assert.has_error(spec.start, "scripts/hooks.lua:6: no weather: timeout")
    assert.has_error(function() spec.client() end, "no weather")
  end)
  it("fails an example", function() end)
end)
it("has the answer of the file again", function() spec.start(); assert.equal("sun", spec.state("weather").text) end)
`)
	want := "scripts/x_spec.lua:23: an outage fails an example: the scripts do not load: scripts/hooks.lua:6: no weather: timeout\n5 passed, 1 failed\n"
	if got := report.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Without a stub for the boot, each example fails for itself, and the failure names the request. A program that the settings do
// not have fails with its place.
func TestBootWithoutFakes(t *testing.T) {
	t.Parallel()
	got := runHooks(t, `local spec = require "spec"
it("needs a stub", function() end)
describe("a program", function()
  spec.process("tuch")
  it("must be known", function() end)
end)
`).String()
	for _, want := range []string{
		"scripts/x_spec.lua:2: needs a stub: the scripts do not load: scripts/hooks.lua:6: no weather: refused\n    the scripts failed: the scripts make a request without a stub of spec.http: GET http://weather.test/bern\n",
		"scripts/x_spec.lua:4: a program must be known: there is no program \"tuch\" in server.toml; there are: touch\n",
		"\n0 passed, 2 failed\n",
	} {
		if !strings.Contains("\n"+got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// spec.stop does what SIGTERM does: the stop hook runs and may wait, then the clients are closed, and nothing runs any more.
func TestStop(t *testing.T) {
	t.Parallel()
	report := runHooks(t, `local spec = require "spec"
spec.http("http://weather.test/*")
spec.process("touch", { running = true })
it("runs the stop hook", function()
  local c = spec.client()
  c:send("Sleep", { ms = 1500 })
  spec.stop()
  c:expect("Stopping")
  assert.same({ code = 1001, reason = "server shutting down" }, c.closed)
  local known = spec.state("weather")
  assert.is_true(known.stopped)
  assert.equal(1, known.closed)
  assert.equal("server shutting down", known.reason)
  assert.equal(1, known.ticks)
  spec.advance(10000)
  assert.equal(1, spec.state("weather").ticks)
end)
it("waits for it two seconds", function()
  spec.client():send("Sleep", { ms = 2500 })
  spec.stop()
  assert.matches("stop hook has not ended after 2s", spec.errors()[1])
  assert.is_nil(spec.state("weather").stopped)
end)
`)
	if report.Passed != 2 || len(report.Failures) > 0 {
		t.Errorf("got %v, want 2 that pass", report)
	}
}

// A boot may wait, on the spec's clock. If it waits longer than the settings allow, the error has its place.
func TestBootWaits(t *testing.T) {
	t.Parallel()
	for wait, want := range map[string]string{
		"server.sleep(10)":   "1 passed, 0 failed\n",
		"server.sleep(6000)": "scripts/x_spec.lua:1: the scripts do not load, so no example of this file runs: scripts/slow.lua:5: ",
		"local p = server.promise(function() end) p:await()": "scripts/slow.lua:5: ",
	} {
		report := run(t, `it("runs", function() end)`, func(o *spec.Options) {
			o.Config.Lua.Manager = "slow"
			source := "local base, server = require('manager'), require('server')\nlocal slow = base:extend()\nfunction slow:boot()\n  base.boot(self)\n  " +
				wait + "\nend\nreturn slow\n"
			if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "slow.lua"), []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if got := report.String(); !strings.Contains(got, want) {
			t.Errorf("boot with %s: %s, want %s", wait, got, want)
		}
	}
}
