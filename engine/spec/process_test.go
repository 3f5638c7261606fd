package spec_test

import "testing"

// A spec sets what the programs do that the scripts start: their output, their exit, and that they cannot be started.
func TestProcesses(t *testing.T) {
	t.Parallel()
	report := run(t, `local spec = require "spec"
it("fakes one that ends", function()
  spec.process("touch", { output = { "one", "two" }, errors = { "hm" }, exit_code = 3 })
  local c = spec.client()
  c:send("Start", { args = { "file" } })
  c:expect("Started", { running = true, write = true })
  c:expect("Output", { line = "one" })
  c:expect("Output", { line = "two" })
  c:expect("Complaint", { line = "hm" })
  c:expect("Exit", { code = 3 })
  c:expect_nothing()
  c:send("End")
  c:expect("Waited", { code = 3, running = false })
end)
it("fakes one that runs until it is terminated", function()
  spec.process("touch", { output = { "ready" }, running = true })
  local c = spec.client()
  c:send("Start", { restart = true })
  c:expect("Started")
  c:expect("Output", { line = "ready" })
  c:expect_nothing()
  c:send("End")
  c:expect("Exit", { code = 143 })
  c:expect("Waited", { code = 143 })
end)
it("fakes one that cannot be started", function()
  spec.process("touch", { reason = "too many processes" })
  local c = spec.client()
  c:send("Start")
  assert.is_nil(c:expect("Started", { reason = "too many processes" }).running)
end)
it("reacts to its input", function()
  local heard = {}
  spec.process("touch", { output = { "ready" }, on_input = function(text)
    heard[#heard + 1] = text
    if text == "quit\n" then return { errors = { "bye" }, exit_code = 7 } end
    if text ~= "nothing\n" then return { output = { "got " .. text:gsub("\n", ""), "and" } } end
  end })
  local c = spec.client()
  c:send("Start")
  c:expect("Started", { write = true }) -- it has written "x"
  for _, line in ipairs({ "ready", "got x", "and" }) do c:expect("Output", { line = line }) end
  c:send("Write", { text = "one\n" })
  c:expect("Wrote", { ok = true })
  c:expect("Output", { line = "got one" })
  c:expect("Output", { line = "and" })
  c:send("Write", { text = "nothing\n" })
  c:expect("Wrote", { ok = true })
  c:expect_nothing()
  c:send("Write", { text = "quit\n" })
  c:expect("Wrote")
  c:expect("Complaint", { line = "bye" })
  c:expect("Exit", { code = 7 })
  assert.same({ "x", "one\n", "nothing\n", "quit\n" }, heard)
  c:send("Write", { text = "more\n" })
  assert.is_nil(c:expect("Wrote").ok)
end)
it("passes over frames", function()
  spec.process("touch", { output = { "one", "two" }, exit_code = 3 })
  local c = spec.client()
  c:send("Start")
  assert.equal("two", c:expect("Output", { line = "two" }, { skip = true }).line)
  c:expect("Exit", { code = 3 })
end)
it("asks the settings what may be started", function()
  spec.process("touch")
  local c = spec.client()
  c:send("Start", { args = { "../file" } })
  c:expect("MessageException")
  assert.matches("does not match", spec.errors()[1])
end)
`, nil)
	if report.Passed != 6 || len(report.Failures) > 0 {
		t.Errorf("got %v, want 6 that pass", report)
	}
}
