package engine_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// otherServer is a server to which scripts send requests; the path says what it does.
func otherServer(tb testing.TB) *httptest.Server {
	tb.Helper()
	release, hanging, gone := make(chan struct{}), make(chan struct{}, 64), make(chan struct{}, 64)
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			tb.Error(err)
		}
		headers := map[string]string{}
		for name := range r.Header {
			headers[name] = r.Header.Get(name)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "headers": headers, "body": string(body)}); err != nil {
			tb.Error(err)
		}
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) })
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			_, _ = io.WriteString(w, "released")
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/release", func(http.ResponseWriter, *http.Request) { close(release) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		hanging <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	await := func(signal chan struct{}) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-signal:
			case <-r.Context().Done():
			}
		}
	}
	mux.HandleFunc("/hanging", await(hanging))
	mux.HandleFunc("/gone", await(gone))
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	return server
}

// application runs a server with one Lua file as its manager.
func application(tb testing.TB, source string, change func(c *config.Config)) *enginetest.Server {
	tb.Helper()
	dir := tb.TempDir()
	write(tb, dir, map[string]string{"app.lua": `
local base = require("manager")
local http = require("http")
local server = require("server")
local app = base:extend()
function app:roster() end
` + source + `
return app
`})
	return enginetest.Start(tb, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = dir, "app"
		if change != nil {
			change(c)
		}
	})
}

// Every wait that takes too long ends with an error, which is logged with the handler.
func TestAwaitTimeout(t *testing.T) {
	other := otherServer(t)
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Wait", { protection = "none" }, function(client, message)
    local waits = {
      http = function() return http.get(server.config.url .. "/hang") end,
      promise = function() return server.promise(function() end):await() end,
      sleep = function() return server.sleep(1000) end,
    }
    local ok, problem = pcall(waits[message.kind])
    client:send("Waited", { ok = ok, problem = problem })
  end)
end`, func(c *config.Config) {
		c.Lua.AwaitTimeout = config.Duration(20 * time.Millisecond)
		c.App = map[string]any{"url": other.URL}
	})
	alice := server.Dial(t, "alice")
	rows := []struct{ kind, want string }{
		{"http", "waited longer than lua.await_timeout, 20ms"},
		{"promise", "waited longer than lua.await_timeout, 20ms"},
		{"sleep", "20ms at most (lua.await_timeout)"},
	}
	for _, row := range rows {
		alice.Send(`{"name":"Wait","kind":"` + row.kind + `"}`)
		frame := alice.Expect("Waited")
		if problem, _ := frame["problem"].(string); frame["ok"] != false || !strings.Contains(problem, row.want) {
			t.Errorf("waiting for %s: %v, want an error with %q", row.kind, frame, row.want)
		}
	}
	if n := strings.Count(server.Log(), `msg="script: handler waited too long" handler=Wait`); n != 2 {
		t.Errorf("the log names the handler %d times, want twice:\n%s", n, server.Log())
	}
}

// If too many handlers wait, the next one gets an error, which it may handle.
func TestTooManyWaiting(t *testing.T) {
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Wait", { protection = "none" }, function(client)
    client:send("Begun")
    local ok, problem = pcall(function() server.promise(function() end):await() end)
    client:send("Refused", { ok = ok, problem = problem })
  end)
end`, func(c *config.Config) { c.Lua.MaxWaiting = 2 })
	alice := server.Dial(t, "alice")
	for range 3 {
		alice.Send(`{"name":"Wait"}`)
		alice.Expect("Begun")
	}
	frame := alice.Expect("Refused")
	if problem, _ := frame["problem"].(string); !strings.HasSuffix(problem, ": too many handlers are waiting (lua.max_waiting)") {
		t.Errorf("the third handler that waits: %v, want an error that names lua.max_waiting", frame)
	}
}

// An unhandled rejection is logged once, with its place. One that is handled, or that was cancelled, is not logged.
func TestUnhandledRejection(t *testing.T) {
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Reject", { protection = "none" }, function(client)
    server.async(function() error("lost") end)()
    server.promise(function(_, reject) reject({ message = "also lost" }) end)
    server.async(function() error("handled") end)():catch(function() end)
    pcall(function() server.async(function() error("handled") end)():await() end)
    server.promise(function() end):cancel()
    local begin
    local begun = server.promise(function(resolve) begin = resolve end)
    local late = server.async(function()
      begin()
      pcall(server.sleep, 1000)
      error("lost after all")
    end)()
    server.async(function() server.sleep(1000) end)():cancel()
    begun:await()
    late:cancel()
    server.sleep(1)
    client:send("Rejected")
  end)
end`, nil)
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Reject"}`)
	alice.Expect("Rejected")
	testkit.WaitFor(t, "the last rejection", func() bool { return strings.Contains(server.Log(), "lost after all") }) // a turn of its own
	log := server.Log()
	if n := strings.Count(log, "unhandled promise rejection"); n != 3 {
		t.Errorf("%d rejections in the log, want 3:\n%s", n, log)
	}
	for _, want := range []string{"app.lua:11 error=", "app.lua:11: lost", "app.lua:12 error=", "also lost"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
}

// Stopping the server ends waiting handlers and cancels their requests; that is not logged as an error.
func TestStopWhileWaiting(t *testing.T) {
	other := otherServer(t)
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Wait", { protection = "none" }, function(client)
    server.async(function() server.promise(function() end):await() end)()
    server.async(function() http.get(server.config.url .. "/hang") end)()
    http.get(server.config.url .. "/hanging")
    client:send("Begun")
    while true do pcall(server.sleep, 1000) end
  end)
end`, func(c *config.Config) { c.App = map[string]any{"url": other.URL} })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Wait"}`)
	alice.Expect("Begun")
	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if log := server.Log(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has errors:\n%s", log)
	}
}

// Ten thousand handlers wait at once, half of them for a timer and half for another server, and other clients get their replies.
func TestTenThousandWaiting(t *testing.T) {
	const count = 10_000
	other := otherServer(t)
	server := application(t, `
function app:boot()
  base.boot(self)
  local begun, ended, failed, open = 0, 0, 0, false
  local ask = server.async(function()
    begun = begun + 1
    local response = http.get(server.config.url .. "/wait", { timeout = 600000 })
    ended = ended + (response and response.body == "released" and 1 or 0)
  end)
  local rest = server.async(function()
    begun = begun + 1
    repeat
      local ok = pcall(server.sleep, 1000)
      failed = failed + (ok and 0 or 1)
    until open
    ended = ended + 1
  end)
  server.message("Begin", { protection = "none" }, function(client, message)
    local all = {}
    for i = 1, message.count / 2 do
      all[#all + 1] = ask()
      all[#all + 1] = rest()
    end
    server.all(all):next(function()
      client:send("Ended", { ended = ended, failed = failed })
    end)
  end)
  server.message("Count", { protection = "none" }, function(client)
    client:send("Counted", { begun = begun, ended = ended })
  end)
  server.message("Release", { protection = "none" }, function()
    open = true
  end)
end`, func(c *config.Config) {
		c.App = map[string]any{"url": other.URL}
		c.Lua.MaxWaiting, c.Limits.WaitingPerConnection = 2*count, 0
		c.Lua.AwaitTimeout, c.Lua.TurnTimeout = config.Duration(10*time.Minute), config.Duration(time.Minute)
		c.Lua.Memory = 4 * config.GiB
		c.HTTP.MaxRequests, c.HTTP.RequestsPerConnection = 64, 0
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000 // the client repeats its request until all have begun
	})
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Begin","count":10000}`)
	for frame := (enginetest.Frame{}); frame["begun"] != float64(count); {
		alice.Send(`{"name":"Count"}`)
		frame = alice.Expect("Counted")
		if frame["ended"] != 0.0 {
			t.Fatalf("Count = %v, want that none has ended", frame)
		}
	}
	alice.Send(`{"name":"Release"}`)
	released, err := http.Get(other.URL + "/release")
	if err != nil {
		t.Fatal(err)
	}
	defer released.Body.Close()
	if frame := alice.Expect("Ended"); frame["ended"] != float64(count) || frame["failed"] != 0.0 {
		t.Errorf("Ended = %v, want %d ended and 0 failed", frame, count)
	}
}

// The cost of waiting for a timer that is due, and for a promise that is resolved in the next turn.
func BenchmarkWait(b *testing.B) {
	for _, row := range []struct{ name, wait string }{
		{"none", ``},
		{"sleep", `server.sleep(0)`},
		{"await", `work():await()`},
	} {
		b.Run(row.name, func(b *testing.B) {
			server := application(b, `
function app:boot()
  base.boot(self)
  local work = server.async(function() end)
  server.message("Run", { protection = "none" }, function(client, message)
    for i = 1, message.count do `+row.wait+` end
    client:send("Ran")
  end)
end`, func(c *config.Config) { c.Lua.TurnTimeout = config.Duration(time.Minute) })
			alice := server.Dial(b, "alice")
			count, err := json.Marshal(map[string]any{"name": "Run", "count": b.N})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			alice.Send(string(count))
			alice.Expect("Ran")
		})
	}
}
