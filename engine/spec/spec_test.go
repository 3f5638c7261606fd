package spec_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/spec"
	"perigee/engine/testkit"
	"perigee/scripts"
)

// app is the application that the specs of these tests run against.
const app = `local base = require "manager"
local http = require "http"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  server.message("Boom", { protection = "none" }, function() local x = nil; return x.y end)
  server.message("Spin", { protection = "none" }, function() while true do end end)
  server.message("Ask", { protection = "none" }, function(client)
    local found, reason = http.get("http://weather.test/bern?now")
    client:send("Told", { status = found and found.status, body = found and found.body, reason = reason })
  end)
  server.message("Later", { protection = "none" }, function(client)
    server.sleep(1000)
    client:send("Now", { at = server.uptime() })
  end)
  server.message("Again", { protection = "none" }, function() server.next("Again") end)
  server.message("Reject", { protection = "none" }, function() server.promise(function(_, no) no("sour") end) end)
  server.command("Again", function() server.next("Again") end)
  server.message("Push", { protection = "none" }, function(client, m)
    local job, reason = server.push(m.command, m.arguments, m.options)
    client:send("Pushed", { job = job, reason = reason })
  end)
  server.message("Say", { protection = "none" }, function()
    print("printed")
    require("log").warn("logged", { by = "Ada" })
    require("log").debug("not asked for")
  end)
  local started
  server.message("Start", { protection = "none" }, function(client, m)
    local reason
    started, reason = server.execute("touch", {
      args = m.args,
      restart = m.restart,
      on_output = function(line) client:send("Output", { line = line }) end,
      on_error = function(line) client:send("Complaint", { line = line }) end,
      on_exit = function(code) client:send("Exit", { code = code }) end,
    })
    client:send("Started", { running = started and started.running, reason = reason, write = started and started:write("x") })
  end)
  server.message("End", { protection = "none" }, function(client)
    started:terminate()
    client:send("Waited", { code = started:wait(), running = started.running })
  end)
  server.command("Sum", function(a) return { sum = a.x + a.y } end)
  server.command("Wait", function() server.sleep(10) end)
  server.command("Keep", function(a) server.state("kept", {}).value = a.value end)
  server.message("Write", { protection = "none" }, function(client, m)
    client:send("Wrote", { ok = started:write(m.text) })
  end)
end
return app
`

// run runs a file of specs against that application.
func run(t *testing.T, text string, change func(o *spec.Options)) spec.Report {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "scripts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"app.lua": app, "x_spec.lua": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := spec.Options{Config: config.Default(), Scripts: scripts.Files, Timeout: testkit.Timeout}
	o.Config.Lua.Path, o.Config.Lua.Manager, o.Config.Lua.TurnTimeout = dir, "app", config.Duration(testkit.Timeout)
	o.Config.Processes = map[string]config.Process{"touch": {Command: []string{"/nowhere/touch"}, Args: "[a-z]+"}}
	if change != nil {
		change(&o)
	}
	report, err := spec.Run(t.Context(), o)
	if err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	return report
}

// The specs of the built-in scripts pass.
func TestScripts(t *testing.T) {
	o := spec.Options{Config: config.Default(), Scripts: scripts.Files, Timeout: testkit.Timeout}
	o.Config.Lua.Path, o.Config.Lua.TurnTimeout = filepath.Join("..", "..", "scripts"), config.Duration(testkit.Timeout)
	report, err := spec.Run(t.Context(), o)
	if err != nil || len(report.Failures) > 0 || report.Passed < 40 {
		t.Errorf("Run = %v, %v, want at least 40 examples that all pass", report, err)
	}
}

// The same scripts and specs pass if their lines end as on Windows.
func TestLineEnds(t *testing.T) {
	from := filepath.Join("..", "..", "scripts")
	dir := filepath.Join(t.TempDir(), "scripts")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".lua" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(name, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	o := spec.Options{Config: config.Default(), Scripts: scripts.Files, Timeout: testkit.Timeout}
	o.Config.Lua.Path, o.Config.Lua.TurnTimeout = dir, config.Duration(testkit.Timeout)
	report, err := spec.Run(t.Context(), o)
	if err != nil || len(report.Failures) > 0 || report.Passed < 40 {
		t.Errorf("Run = %v, %v, want at least 40 examples that all pass", report, err)
	}
	failed := run(t, "describe(\"lines\", function()\r\n  it(\"end\", function()\r\n    error(\"x\")\r\n  end)\r\nend)\r\n", nil)
	if len(failed.Failures) != 1 || failed.Failures[0].Place != "scripts/x_spec.lua:3" {
		t.Errorf("failures = %+v, want one in line 3", failed.Failures)
	}
}

// A failure of an example or an error of the scripts has its place.
func TestFailures(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, body, want string }{
		{"an other value", `assert.equal("a", "b")`, `scripts/x_spec.lua:4: things work: expected "a", got "b"`},
		{"deep", `assert.same({ a = { 1, 2 } }, { a = { 1, 3 }, ["x y"] = true })`, "x_spec.lua:4: things work: not the same:\n    a[2]: expected 2, got 3\n    [\"x y\"]: expected nothing, got true\n"},
		{"own assert", `assert(false, "because")`, "scripts/x_spec.lua:4: things work: because\n"},
		{"own assert alone", `assert(1 == 2)`, "scripts/x_spec.lua:4: things work: "},
		{"error", `local t = nil; t.x = 1`, "scripts/x_spec.lua:4: things work: attempt to index"},
		{"no error", `assert.has_error(function() end)`, "x_spec.lua:4: things work: expected an error, got none"},
		{"other error", `assert.has_error(function() error("one") end, "two")`, `expected an error with "two", got "scripts/x_spec.lua:4: one"`},
		{"pattern", `assert.matches("^b", "abc")`, `expected a string that matches "^b", got "abc"`},
		{"slip", `assert.equals(1, 1)`, "x_spec.lua:4: things work: there is no assert.equals"},
		{"no frame", `spec.client():expect("Rang")`, "x_spec.lua:4: things work: expected Rang, got nothing"},
		{"other frame", `local c = spec.client(); c:send("Nope"); c:expect("Rang")`, "expected Rang, got MessageException\n    the frame: {"},
		{"other fields", `local c = spec.client(); c:send("Nope"); c:expect("MessageException", { code = 400 })`, "MessageException is not as expected:\n    code: expected 400, got 404\n"},
		{"unexpected frame", `local c = spec.client(); c:send("Nope"); c:expect_nothing()`, "expected nothing, got MessageException"},
		{"handler", `spec.client():send("Boom")`, "scripts/x_spec.lua:3: things work: the scripts failed: scripts/app.lua:7: attempt to index"},
		{"endless handler", `spec.client():send("Spin")`, "scripts/x_spec.lua:3: things work: the scripts failed: scripts/app.lua:8: time limit exceeded"},
		{"endless spec", `while true do end`, "scripts/x_spec.lua:4: things work: time limit exceeded"},
		{"endless spec under pcall", `while true do pcall(function() while true do end end) end`, "scripts/x_spec.lua:4: things work: time limit exceeded"},
		{"endless work", `spec.client():send("Again")`, "x_spec.lua:4: things work: the scripts do not become idle"},
		{"rejection", `spec.client():send("Reject")`, "the scripts failed: scripts/app.lua:18: unhandled promise rejection: sour"},
		{"no topics", `spec.client():expect("UpdateTopics")`, "got nothing\n    only listed topics are in UpdateTopics: server.register(name, { listed = true })"},
		{"roster", `local c = spec.client(); spec.advance(100); c:expect("UpdateConnections", { connections = { x = {} } })`, "connections.x: expected {}, got nothing"},
		{"no plain data", `spec.client():send("Boom", { f = print })`, "x_spec.lua:4: things work: encode f: a function has no JSON form"},
		{"unknown server", `spec.client():send("Ask")`, "the scripts failed: the scripts make a request without a stub of spec.http: GET http://weather.test/bern?now"},
		{"waiting command", `spec.run("Wait")`, `command "Wait" is still waiting; spec.run is for commands that do not wait`},
		{"unknown command", `spec.run("Nope")`, "unknown command"},
		{"no such reason", `spec.http("http://weather.test/*", { reason = "tired" })`, `x_spec.lua:4: things work: bad argument #2 to http ("tired" is not a reason why requests fail; there are timeout, refused`},
		{"no such right", `spec.client({ admin = "yes" })`, "x_spec.lua:4: things work: admin must be true or false, not a string"},
		{"program without a fake", `spec.client():send("Start")`, `the scripts failed: the scripts start the program "touch" without a fake of spec.process`},
		{"unknown program", `spec.process("tuch", {})`, `x_spec.lua:4: things work: there is no program "tuch" in server.toml; there are: touch`},
		{"no such field of a fake", `spec.process("touch", { outptu = {} })`, `exit_code, 0 to 255; running = true`},
		{"said", `print("a", 1); spec.client():send("Say"); assert.equal(1, 2)`, "x_spec.lua:4: things work: expected 1, got 2\n    | a\t1\n    | printed\n    | scripts/app.lua:26: WARN logged by=Ada\n0 passed"},
		{"closed client", `local c = spec.client(); c:close(); c:send("Boom")`, "the client is closed: 1000"},
		{"no module", `require("server")`, `module "server" not found: a spec can require`},
		{"unknown option", `spec.client():expect("Rang", {}, { skipp = true })`, `unknown option "skipp"; did you mean "skip"? There are: skip`},
		{"passed over", `local c = spec.client(); c:send("Nope"); c:expect("Rang", {}, { skip = true })`, "expected Rang, got nothing\n    passed over: {"},
		{"slip of it", `it.pend("x")`, "there is no it.pend"},
		{"broken on_input", `spec.process("touch", { on_input = function() return { outptu = {} } end }); local c = spec.client(); c:send("Start"); c:send("Write", { text = "x" })`, "x_spec.lua:4: things work: on_input returns output and errors"},
		{"failing on_input", `spec.process("touch", { on_input = function() error("no") end }); local c = spec.client(); c:send("Start"); c:send("Write", { text = "x" })`, "x_spec.lua:4: things work: scripts/x_spec.lua:4: no"},
		{"run after the stop", `spec.stop(); spec.run("Sum", { x = 1, y = 2 })`, "the server has stopped"},
		{"client after the stop", `spec.stop(); spec.client()`, "the server has stopped"},
		{"describe within", `describe("x", function() end)`, "x_spec.lua:4: things work: describe cannot be called within it"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			report := run(t, "local spec = require \"spec\"\ndescribe(\"things\", function()\nit(\"work\", function()\n"+row.body+"\nend) end)\n", func(o *spec.Options) {
				switch {
				case row.name == "endless handler":
					o.Config.Lua.TurnTimeout = config.Duration(200 * time.Millisecond)
				case strings.HasPrefix(row.name, "endless spec"):
					o.Timeout = 100 * time.Millisecond
				}
			})
			got := report.String()
			if !strings.Contains(got, row.want) || !strings.HasSuffix(got, "\n0 passed, 1 failed\n") {
				t.Errorf("%s:\n%s\nwant %s", row.body, got, row.want)
			}
		})
	}
}

// A file or an application that does not load is one failure with its place.
func TestBroken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"describe(":    "scripts/x_spec.lua:1:10: ')' expected",
		"\nerror('x')": "scripts/x_spec.lua:2: x\n",
		"require('spec').manager('gone')\nit('works', function() end)":                             "scripts/x_spec.lua:2: the scripts do not load, so no example of this file runs: the manager: module \"gone\" not found",
		"require('spec').manager('gone')\nit('works', function() end)\nit('does', function() end)": "\n0 passed, 1 failed\n", // said once
		"require('spec').client()": "this can be called only within it",
	} {
		if got := run(t, text, nil).String(); !strings.Contains(got, want) || !strings.HasSuffix(got, "\n0 passed, 1 failed\n") {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// Specs find the modules of the server that need no server, or the scripts that take their place.
func TestModules(t *testing.T) {
	t.Parallel()
	const text = `it("finds it", function() assert.equal(%s, #require("crypto").sha256("abc")) end)`
	for own, length := range map[string]string{"": "64", "return { sha256 = function() return { 1 } end }": "1"} {
		report := run(t, fmt.Sprintf(text, length), func(o *spec.Options) {
			if own == "" {
				return
			}
			if err := os.WriteFile(filepath.Join(o.Config.Lua.Path, "crypto.lua"), []byte(own), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if report.Passed != 1 {
			t.Errorf("with crypto.lua %q: %s, want it to pass", own, report)
		}
	}
}

// A spec controls clock, commands, state, HTTP responses and errors, and each example has a new server.
func TestAPI(t *testing.T) {
	t.Parallel()
	report := run(t, `local json = require "json"
local spec = require "spec"
local order = {}
before_each(function() order[#order + 1] = "outer" end)
after_each(function() order[#order + 1] = "after" end)
describe("one", function()
  before_each(function() order[#order + 1] = "inner" end)
  it("waits", function()
    local c = spec.client({ score = { 1, 2 }, name = "Ada" })
    assert.same({ 1, 2 }, c.connection.score)
    assert.equal("Ada", c.connection.name)
    c:send({ name = "Later" })
    spec.advance(999)
    c:expect_nothing()
    spec.advance(1)
    c:expect("Now", { at = 1 })
  end)
  it("has the order", function()
    assert.same({ "outer", "inner", "after", "outer", "inner" }, order)
  end)
end)
it("runs commands", function()
  assert.same({ sum = 3 }, spec.run("Sum", { x = 1, y = 2 }))
  assert.is_nil(spec.state("kept"))
  assert.is_nil(spec.run("Keep", { value = { 1, json.null } }))
  assert.same({ value = { 1, json.null } }, spec.state("kept"))
  assert.matches("app.lua:%d+: ", assert.has_error(function() spec.run("Sum", {}) end, "arithmetic on field 'x'"))
end)
it("begins anew", function() assert.is_nil(spec.state("kept")) end)
it("answers requests", function()
  local c = spec.client()
  spec.http("http://weather.test/*", { status = 404, body = "no" })
  c:send("Ask")
  c:expect("Told", { status = 404, body = "no" })
  spec.http("http://weather.test/bern?now", { reason = "timeout" })
  c:send("Ask")
  assert.is_nil(c:expect("Told", { reason = "timeout" }).status)
end)
it("knows what failed", function()
  local c = spec.client()
  c:send("Boom")
  c:expect("MessageException", { exception = "HandlerFailed", code = 500 })
  assert.matches("^scripts/app.lua:7: ", spec.errors()[1])
end)
it("sees rosters when it asks", function()
  local a, b = spec.client(), spec.client()
  spec.advance(100)
  a:expect("UpdateConnections", { connections = { [b.uuid] = { type = "anonymous" } } })
  b:close()
  assert.equal(1000, b.closed.code)
  spec.advance(100)
  assert.is_nil(a:expect("UpdateConnections").connections[b.uuid])
end)
it("does the jobs that were pushed", function()
  local c = spec.client()
  c:send("Push", { command = "Keep", arguments = { value = 1 }, options = { delay = 5000 } })
  c:expect("Pushed", { job = 1 })
  c:send("Push", { command = "Keep", arguments = { value = 2 }, options = { priority = 1 } })
  assert.same({
    { command = "Keep", arguments = { value = 2 }, delay = 0, priority = 1 },
    { command = "Keep", arguments = { value = 1 }, delay = 5000, priority = 1024 },
  }, spec.jobs())
  assert.equal(1, spec.work())
  assert.same({ value = 2 }, spec.state("kept"))
  spec.advance(5000)
  assert.equal(1, spec.work())
  assert.same({ value = 1 }, spec.state("kept"))
  assert.same({}, spec.jobs())
end)
it("knows what failed in a job", function()
  local c = spec.client()
  c:send("Push", { command = "Nowhere" })
  spec.work()
  assert.matches("Nowhere", spec.errors()[1])
end)
it("is Lua's own assert", function()
  assert.same({ 1, "x" }, { assert(1, "x") })
  assert.is_true(true); assert.is_false(false); assert.is_not_nil(0)
end)
`, nil)
	if report.Passed != 10 || len(report.Failures) > 0 {
		t.Errorf("got %v, want 10 that pass", report)
	}
}

// It is an error if there are no specs.
func TestNoSpecs(t *testing.T) {
	t.Parallel()
	for _, at := range []string{t.TempDir(), filepath.Join(t.TempDir(), "gone")} {
		if report, err := spec.Run(t.Context(), spec.Options{Config: config.Default(), Scripts: scripts.Files, Path: at}); err == nil {
			t.Errorf("Run of %s = %v, nil, want an error", at, report)
		}
	}
}

// A spec can reload the scripts, also from another directory: connections and state stay, and broken scripts change nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"scripts/app.lua": app,
		"next/app.lua":    strings.Replace(app, `{ sum = a.x + a.y }`, `{ sum = a.x * a.y, generation = server.generation }`, 1),
		"broken/app.lua":  "error('no')",
		"scripts/x_spec.lua": `local spec = require "spec"
it("reloads", function()
  local c = spec.client()
  c:send("Later")
  spec.run("Keep", { value = 1 })
  assert.is_true(spec.reload())
  assert.same({ value = 1 }, spec.state("kept"))
  assert.is_true(spec.reload("next"))
  assert.same({ sum = 6, generation = 3 }, spec.run("Sum", { x = 2, y = 3 }))
  local ok, reason = spec.reload("broken")
  assert.is_nil(ok)
  assert.matches("no", reason)
  assert.equal(6, spec.run("Sum", { x = 2, y = 3 }).sum)
  spec.advance(1000)
  c:expect("Now")
  ok, reason = spec.reload("missing/dir")
  assert.is_nil(ok)
  assert.matches("^there is no directory .*/missing/dir$", reason)
  assert.matches("^there is no directory ", select(2, spec.reload("scripts/app.lua")))
  assert.equal(6, spec.run("Sum", { x = 2, y = 3 }).sum)
end)
`,
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := spec.Options{Config: config.Default(), Scripts: scripts.Files, Timeout: testkit.Timeout}
	o.Config.Lua.Path, o.Config.Lua.Manager = filepath.Join(root, "scripts"), "app"
	if report, err := spec.Run(t.Context(), o); err != nil || report.Passed != 1 {
		t.Errorf("Run = %v, %v, want one example that passes", report, err)
	}
}

// A pending example does not run, and the report lists it.
func TestPending(t *testing.T) {
	t.Parallel()
	got := run(t, `describe("it", function()
  it("runs", function() end)
  it.pending("waits", function() error("no") end)
  it.pending("is a name only")
end)
`, nil).String()
	want := "scripts/x_spec.lua:3: pending: it waits\nscripts/x_spec.lua:4: pending: it is a name only\n1 passed, 0 failed, 2 pending\n"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
