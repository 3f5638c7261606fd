package spec_test

import (
	"os"
	"path/filepath"
	"testing"

	"perigee/engine/spec"
)

// A spec puts jobs as other programs do.
func TestJobsOfOtherPrograms(t *testing.T) {
	report := run(t, `local spec = require "spec"
it("does the jobs of other programs", function()
  spec.job([[{"job":"Keep","data":{"value":3}}]])
  spec.job([[["Keep",{"value":4}] ]], "other")
  assert.same({ body = [[{"job":"Keep","data":{"value":3}}]], delay = 0, priority = 1024 }, spec.jobs()[1])
  assert.equal(2, spec.work())
  assert.same({ value = 4 }, spec.state("kept"))
  for _, wrong in ipairs({ { "Keep", { value = 4 } }, { { job = "Keep" } } }) do
    local ok, problem = pcall(spec.job, unpack(wrong))
    assert.is_false(ok)
    assert.matches("write spec.job%(json.encode%({ job = ", problem)
  end
  spec.job([[{"job":"Keep","data":[5]}]])
  spec.job("Keep 6")
  assert.equal(2, spec.work())
  local errors = spec.errors()
  assert.matches("^job: data must be an object, found a list", errors[1])
  assert.matches("^job: the job is not JSON", errors[2])
end)
`, nil)
	if report.Passed != 1 || len(report.Failures) > 0 {
		t.Errorf("got %v, want 1 that passes", report)
	}
}

// readingApp is an application whose job hook does what the body of the job says.
const readingApp = `local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  server.command("Keep", function(a) server.state("kept", {}).value = a.value end)
end
local results = {
  none = function() return "Keep" end,
  waits = function() server.sleep(1000) return "Keep", { value = "waited" } end,
  list = function() return "Keep", { 1 } end,
  text = function() return "Keep", "x" end,
  client = function(_, tube) return "Keep", { value = print, tube = tube } end,
  number = function() return 5 end,
  refuse = function(_, tube) return nil, "not in " .. tube end,
  silent = function() end,
  ["break"] = function() error("the hook is broken") end,
  unknown = function() return "Keap" end,
}
function app:job(body, tube) return results[body](body, tube) end
return app
`

// The job hook's results are a command and arguments, or nil and a reason; everything else is an error.
func TestJobHook(t *testing.T) {
	report := run(t, `local spec = require "spec"
local function work(body)
  spec.job(body, "shop")
  spec.work()
  return spec.errors()[1] or "no error"
end
it("runs the command", function()
  assert.equal("no error", work("none"))
  assert.same({}, spec.state("kept"))
  assert.equal("no error", work("waits"))
  assert.same({}, spec.state("kept"))
  spec.advance(1000)
  assert.same({ value = "waited" }, spec.state("kept"))
end)
it("has a reason", function()
  assert.matches("the manager's job hook: not in shop", work("refuse"))
  assert.matches("the manager's job hook: it returned nil and no reason", work("silent"))
  assert.matches('unknown command "Keap"; did you mean "Keep"?', work("unknown"))
end)
for body, reason in pairs({
  ["break"] = "the hook is broken",
  number = "the hook returned a number",
  list = "the arguments must be a table with names, found a list",
  text = "the arguments must be a table with names, found a string",
  client = "the arguments: .*value: a function has no JSON form",
}) do
  it("fails: " .. body, function() assert.matches(reason, work(body)) end)
end
`, func(o *spec.Options) {
		if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "app.lua"), []byte(readingApp), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if report.Passed != 7 || len(report.Failures) > 0 {
		t.Errorf("got %v, want 7 that pass", report)
	}
}
