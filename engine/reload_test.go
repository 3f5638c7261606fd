package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/manager/registry"
	"perigee/engine/testkit"
)

// directory is a scripts directory whose manager is app.lua.
type dir struct {
	testing.TB
	path string
}

func newFolder(tb testing.TB, app string) dir {
	tb.Helper()
	f := dir{tb, tb.TempDir()}
	f.write("app.lua", app)
	return f
}

func (f dir) write(name, text string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.path, name), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// serve runs a server with the directory.
func (f dir) serve(change func(c *config.Config)) *enginetest.Server {
	f.Helper()
	return enginetest.Start(f.TB, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = f.path, "app"
		if change != nil {
			change(c)
		}
	})
}

// app returns a manager with this text as its boot.
func app(boot string) string {
	return "local base = require(\"manager\")\nlocal server = require(\"server\")\nlocal app = base:extend()\n" +
		"function app:boot()\n" + boot + "\nend\n" +
		"function app:open(client)\n  base.open(self, client)\nend\n" +
		"return app\n"
}

// After a reload the new scripts handle the messages of connected clients; the state and the fields of clients are kept.
func TestReload(t *testing.T) {
	f := newFolder(t, app(`
server.message("Say", { protection = "none" }, function(client, message)
  client.said = (client.said or 0) + 1
  local all = server.state("all", { n = 0 })
  all.n = all.n + 1
  client:send("Old", { said = client.said, all = all.n })
end)`))
	s := f.serve(nil)
	alice := s.Dial(t, "alice")
	alice.Send(`{"name":"Say"}`)
	alice.Expect("Old")
	f.write("app.lua", app(`
server.message("Say", { protection = "none" }, function(client, message)
  client.said = client.said + 1
  local all = server.state("all")
  all.n = all.n + 1
  client:send("New", { said = client.said, all = all.n, generation = server.generation })
end)`))
	r, err := s.Control.Reload(t.Context())
	if err != nil || r.Generation != 2 {
		t.Fatalf("Reload = %+v, %v, want generation 2", r, err)
	}
	alice.Send(`{"name":"Say"}`)
	frame := alice.Expect("New")
	if frame["said"] != 2.0 || frame["all"] != 2.0 || frame["generation"] != 2.0 {
		t.Errorf("after the reload alice < %v, want said 2, all 2, generation 2", frame)
	}
}

// A reload hands the scripts the new values of [app], secrets as the texts that they are, and shows none of them.
func TestReloadSecrets(t *testing.T) {
	f := newFolder(t, app(`
server.message("Length", { protection = "none" }, function(client)
  client:send("Length", { key = #server.config.key, keys = #server.config.keys[1].key })
end)`))
	set := func(secret config.Secret) func(c *config.Config) {
		return func(c *config.Config) {
			c.App = map[string]any{"key": secret, "keys": []any{map[string]any{"key": secret}}}
		}
	}
	s := f.serve(set("S3CRET-canary-1"))
	alice := s.Dial(t, "alice")
	for _, secret := range []config.Secret{"S3CRET-canary-1", "S3CRET-canary-of-the-reload"} {
		s.Set(set(secret))
		if _, err := s.Control.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		alice.Send(`{"name":"Length"}`)
		if frame, n := alice.Expect("Length"), float64(len(secret)); frame["key"] != n || frame["keys"] != n {
			t.Errorf("alice < %v, want %v bytes", frame, n)
		}
	}
	if log := s.Log(); strings.Contains(log, "canary") || !strings.Contains(log, "app.keys") {
		t.Errorf("the log is %s, want the names of what has changed without the values", log)
	}
}

// reloadWithin reloads with this limit for a turn, and half as much again for a boot.
func reloadWithin(s *enginetest.Server, limit time.Duration) error {
	s.Set(func(c *config.Config) {
		c.Lua.TurnTimeout, c.Lua.BootTimeout = config.Duration(limit), config.Duration(limit*3/2)
	})
	_, err := s.Control.Reload(context.Background())
	return err
}

// Broken scripts change nothing: the running scripts continue, and the error has the place.
func TestReloadFails(t *testing.T) {
	good := app(`server.message("Say", { protection = "none" }, function(client) client:send("Good") end)`)
	f := newFolder(t, good)
	s := f.serve(nil)
	alice := s.Dial(t, "alice")
	for _, row := range []struct{ name, text, want string }{
		{"syntax", "local = 1", "app.lua:1"},
		{"error in boot", app(`error("no")`), "app.lua:5: no"},
		{"missing module", app(`require("gone")`), `module "gone" not found`},
		{"no protection", app(`server.message("X", {}, function() end)`), "protection"},
		{"endless boot", app(`while true do end`), "app.lua:5: time limit exceeded (lua.turn_timeout"},
		{
			"a message of Perigee again", app(`base.boot(self) server.message("StopServer", { protection = "none" }, print)`),
			"at perigee/messages/server.lua:7 and at " + filepath.Base(f.path) + "/app.lua:5; to replace a built-in message, call server.remove_message(\"StopServer\") first",
		},
		{"boot that waits", app(`server.promise(function() end):await()`), "app.lua:5: loading takes longer than lua.boot_timeout"},
		{"boot that waits for ever", app(`while true do pcall(server.sleep, 50) end`), "time limit exceeded"},
		{"empty file", "\n", "is empty"},
		{"nothing returned", "local x = 1", "must return its manager"},
		{"migrate fails", strings.Replace(good, "return app", "function app:migrate(from) error('from ' .. from) end\nreturn app", 1), "migrate: " + filepath.Base(f.path) + "/app.lua:10: from 1"},
	} {
		f.write("app.lua", row.text)
		limit := testkit.Timeout
		if strings.Contains(row.want, "lua.") || strings.Contains(row.want, "time limit") {
			limit = 200 * time.Millisecond
		}
		err := reloadWithin(s, limit)
		for err != nil && !strings.Contains(err.Error(), row.want) && limit < testkit.Timeout {
			limit *= 2 // on a busy machine the limit may be reached before the endless part
			err = reloadWithin(s, limit)
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Reload = %v, want an error with %q", row.name, err, row.want)
		}
		alice.Send(`{"name":"Say"}`)
		alice.Expect("Good")
	}
	if err := os.Remove(filepath.Join(f.path, "app.lua")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Control.Reload(t.Context()); err == nil {
		t.Error("Reload of an empty directory = nil, want an error")
	}
	alice.Send(`{"name":"Say"}`)
	alice.Expect("Good")
	f.write("app.lua", good)
	if r, err := s.Control.Reload(t.Context()); err != nil || r.Generation != 2 {
		t.Errorf("Reload of what is good again = %+v, %v, want generation 2", r, err)
	}
}

// A process of boot continues under the next boot if that starts the same one: no line is lost or delivered twice. A process that the
// next boot does not start ends; a process that only a rehearsal starts never runs.
func TestReloadProcesses(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	boot := `
local heard = server.state("heard", {})
server.execute("count", { on_output = function(line) heard[#heard + 1] = line .. " in " .. server.generation end })
EXTRA
server.message("Heard", { protection = "none" }, function(client) client:send("Heard", { lines = heard }) end)`
	version := func(extra string) string { return app(strings.Replace(boot, "EXTRA", extra, 1)) }
	f := newFolder(t, version(`server.execute("note", {})`))
	s := f.serve(func(c *config.Config) {
		c.Processes = map[string]config.Process{
			"count": {Command: []string{"/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done; exec sleep 100"}},
			"note":  {Command: []string{"/bin/sh", "-c", `trap "echo ended >>` + notes + `; exit" TERM; echo started >>` + notes + `; while :; do sleep 0.02; done`}},
		}
	})
	alice := s.Dial(t, "alice")
	for range 20 {
		if _, err := s.Control.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.write("app.lua", version(`server.execute("note", {}) error("broken")`))
	if _, err := s.Control.Reload(t.Context()); err == nil {
		t.Fatal("Reload of a broken boot = nil, want an error")
	}
	f.write("app.lua", version(""))
	if _, err := s.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lines []any
	for deadline := time.Now().Add(testkit.Timeout); len(lines) < 3000; {
		alice.Send(`{"name":"Heard"}`)
		lines, _ = alice.Expect("Heard")["lines"].([]any)
		if time.Now().After(deadline) {
			t.Fatalf("%d lines were heard, want 3000", len(lines))
		}
		runtime.Gosched()
	}
	for i, line := range lines {
		if n, _, _ := strings.Cut(line.(string), " in "); n != strconv.Itoa(i+1) {
			t.Fatalf("line %d is %v, want %d: none lost, none twice", i+1, line, i+1)
		}
	}
	for deadline := time.Now().Add(testkit.Timeout); ; runtime.Gosched() {
		text, _ := os.ReadFile(notes)
		if string(text) == "started\nended\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the notes of a process are %q, want it started and ended once", text)
		}
	}
}

// A waiting handler finishes in its own generation, and is interrupted after lua.drain.
func TestReloadWaitingHandlers(t *testing.T) {
	for _, row := range []struct {
		name  string
		drain time.Duration
		nap   time.Duration
		ok    bool
		end   string
	}{
		{"one that ends in time", testkit.Timeout, time.Second, true, "nil"},
		{"one that does not", 100 * time.Millisecond, time.Minute, false, "the scripts were reloaded"},
	} {
		f := newFolder(t, app(`
server.message("Nap", { protection = "none" }, function(client, message)
  client:send("Asleep")
  local ok, problem = pcall(server.sleep, message.ms)
  client:send("Woken", { generation = server.generation, ok = ok, problem = tostring(problem) })
end)`))
		s := f.serve(func(c *config.Config) { c.Lua.Drain = config.Duration(row.drain) })
		alice := s.Dial(t, "alice")
		alice.Send(fmt.Sprintf(`{"name":"Nap","ms":%d}`, row.nap.Milliseconds()))
		alice.Expect("Asleep")
		f.write("app.lua", app(""))
		if _, err := s.Control.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		frame := alice.Expect("Woken")
		if problem, _ := frame["problem"].(string); frame["ok"] != row.ok || frame["generation"] != 1.0 || !strings.Contains(problem, row.end) {
			t.Errorf("%s: the nap ends with %v, want ok %v in generation 1, and %s", row.name, frame, row.ok, row.end)
		}
	}
}

// A rehearsal changes no state, sends nothing and sees a copy of the state; migrate runs before the new scripts do.
func TestReloadRehearses(t *testing.T) {
	f := newFolder(t, app(`server.state("state", { n = 1, deep = { { 1 }, {} } })`))
	s := f.serve(nil)
	alice := s.Dial(t, "alice")
	f.write("app.lua", app(`
local state = server.state("state", {})
state.n = state.n + 1
state.deep[1][1] = "changed"
server.broadcast("Booting", { n = state.n })
server.register("news")
error("broken after " .. state.n)`))
	for range 2 {
		if _, err := s.Control.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "broken after 2") {
			t.Errorf("Reload = %v, want broken after 2 each time", err)
		}
	}
	alice.ExpectNothing()
	f.write("app.lua", strings.Replace(app(`
server.message("Show", { protection = "none" }, function(client)
  client:send("Shown", { state = server.state("state") })
end)`), "return app", `function app:migrate(from)
  local state = server.state("state")
  state.n = state.n + 10 * from
end
return app`, 1))
	diff, err := s.Control.Compare(t.Context())
	if err != nil || len(diff.Changes) != 1 || diff.Generation != 1 {
		t.Errorf("Compare = %+v, %v, want one change and generation 1", diff, err)
	}
	if _, err := s.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice.Send(`{"name":"Show"}`)
	frame := alice.Expect("Shown")
	if state, _ := frame["state"].(map[string]any); state["n"] != 11.0 || fmt.Sprint(state["deep"]) != "[[1] map[]]" {
		t.Errorf("alice < %v, want n 11 and deep unchanged", frame)
	}
}

// A weaker protection is logged as a warning with both values; timers and delayed commands continue.
func TestReloadWarns(t *testing.T) {
	f := newFolder(t, app(`server.message("Halt", { protection = "admin" }, function() end)`))
	s := f.serve(nil)
	f.write("app.lua", app(`server.message("Halt", { protection = "none" }, function() end)`))
	r, err := s.Control.Reload(t.Context())
	want := registry.Change{Kind: "message", Name: "Halt", What: "changed", Detail: "protection admin -> none", Weaker: true}
	if err != nil || !slices.Equal(r.Changes, []registry.Change{want}) {
		t.Errorf("Reload = %+v, %v, want %+v", r, err, want)
	}
	if log := s.Log(); !strings.Contains(log, `level=WARN msg="engine: reload changed a registration" kind=message name=Halt what=changed detail="protection admin -> none" weaker=true`) {
		t.Error("the log lacks the warning of a weaker protection")
	}
}

// Concurrent reloads run one after the other, and each caller gets the outcome of one that began after its request. After the server
// has stopped there are none.
func TestConcurrentReloads(t *testing.T) {
	f := newFolder(t, app(""))
	s := f.serve(nil)
	const callers = 50
	var mu sync.Mutex
	generations := map[int]bool{}
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			r, err := s.Control.Reload(t.Context())
			mu.Lock()
			defer mu.Unlock()
			generations[r.Generation] = true
			if err != nil {
				t.Errorf("Reload = %v, want nil", err)
			}
		})
	}
	group.Wait()
	if len(generations) > callers || generations[1] || !generations[2] {
		t.Errorf("%d calls led to the generations %v, want 2 and up", callers, generations)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := s.Control.Reload(t.Context()); !errors.Is(err, engine.ErrStopping) {
		t.Errorf("Reload after the end = %v, want %v", err, engine.ErrStopping)
	}
}

// Stopping the server cancels a reload in progress.
func TestStopWhileReloading(t *testing.T) {
	f := newFolder(t, app(""))
	s := f.serve(nil)
	alice := s.Dial(t, "alice")
	f.write("app.lua", app(`require("http").get("http://127.0.0.1:1/") server.sleep(4000)`))
	failed := make(chan error, 1)
	go func() {
		_, err := s.Control.Reload(t.Context())
		failed <- err
	}()
	alice.ExpectNothing()
	if err := s.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if err := <-failed; err == nil {
		t.Error("Reload = nil, want an error")
	}
}

// If a boot fails only after the rehearsal, because there are clients, the running scripts keep everything, and nothing of the new
// ones remains.
func TestReloadFailsAfterRehearsal(t *testing.T) {
	f := newFolder(t, app(`
server.register("news")
server.every(20, "Tick")
server.command("Tick", function() server.broadcast("Tick", { generation = server.generation }) end)`))
	s := f.serve(nil)
	alice := s.Dial(t, "alice")
	f.write("app.lua", app(`
server.broadcast("Never")
server.register("other")
server.every(10, function() server.broadcast("Never") end)
server.async(function() server.sleep(5) server.broadcast("Never") server.sleep(60000) end)()
if server.connections():count() > 0 then
  server.sleep(20)
  error("not with clients")
end`))
	if _, err := s.Control.Compare(t.Context()); err != nil {
		t.Errorf("Compare = %v, want nil: nobody is connected in a rehearsal", err)
	}
	if _, err := s.Control.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "not with clients") {
		t.Errorf("Reload = %v, want the error of the boot in earnest", err)
	}
	for range 10 {
		if frame := alice.Next(); frame.Name() != "Tick" && frame.Name() != "UpdateConnections" || frame.Name() == "Tick" && frame["generation"] != 1.0 {
			t.Fatalf("alice < %v, want ticks of generation 1", frame)
		}
	}
	f.write("app.lua", app(`server.message("Topics", { protection = "none" }, function(client)
  local names = {}
  for i, topic in ipairs(server.topics()) do names[i] = topic.name end
  client:send("Topics", { names = names, generation = server.generation })
end)`))
	if r, err := s.Control.Reload(t.Context()); err != nil || r.Generation != 2 {
		t.Errorf("Reload = %+v, %v, want generation 2", r, err)
	}
	alice.Send(`{"name":"Topics"}`)
	for {
		frame := alice.Next()
		if frame.Name() == "Topics" {
			if fmt.Sprint(frame["names"]) != "[news]" {
				t.Errorf("alice < %v, want the topic news alone", frame)
			}
			return
		}
		if frame.Name() == "Never" {
			t.Fatalf("alice < %v, want nothing of a boot that failed", frame)
		}
	}
}
