package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/scripts"
)

// bootOnly returns the source of a manager with this code in its boot.
func bootOnly(boot string) map[string]string {
	return map[string]string{"app.lua": `
local base = require("manager")
local server = require("server")
local app = base:extend()
function app:boot()
  base.boot(self)
  ` + boot + `
end
return app
`}
}

// The server stops whatever its scripts do. Scripts that wait when it stops are not logged as errors.
func TestStopWithScripts(t *testing.T) {
	const message = `server.message("Go", { protection = "none" }, `
	rows := []struct{ name, boot, logged string }{
		{"a handler that waits", message + `function(c) c:send("Gone") server.sleep(30000) end)`, ""},
		{"a handler that waits again", message + `function(c) c:send("Gone") while true do pcall(server.sleep, 1000) end end)`, ""},
		{"a close hook that waits", `function app:close() while true do pcall(server.sleep, 1000) end end ` +
			message + `function(c) c:send("Gone") end)`, ""},
		{"a command that defers itself", `server.command("Spin", function() server.next("Spin") end) ` +
			message + `function(c) server.next("Spin") c:send("Gone") end)`, ""},
		{"a command that defers itself twice", `server.command("Spin", function() for i = 1, 2 do pcall(server.next, "Spin") end end) ` +
			message + `function(c) server.next("Spin") c:send("Gone") end)`, ""},
		{"a timer that defers itself twice", `server.command("Spin", function() for i = 1, 2 do pcall(server.after, 1, "Spin") end end) ` +
			message + `function(c) server.next("Spin") c:send("Gone") end)`, ""},
		{"an endless close hook", `function app:close() while true do end end ` +
			message + `function(c) c:send("Gone") end)`, "time limit exceeded"},
		{"an endless stop hook", `function app:stop() while true do end end ` +
			message + `function(c) c:send("Gone") end)`, "time limit exceeded"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, bootOnly(row.boot))
			server := enginetest.Start(t, func(c *config.Config) {
				c.Lua.Path, c.Lua.Manager = dir, "app"
			})
			alice := server.Dial(t, "alice")
			alice.Send(`{"name":"Go"}`)
			alice.Expect("Gone")
			if err := server.Stop(); err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
			failed := strings.Contains(server.Log(), "level=ERROR")
			if failed != (row.logged != "") || !strings.Contains(server.Log(), row.logged) {
				t.Errorf("log:\n%s\nwant errors only about %q", server.Log(), row.logged)
			}
		})
	}
}

// Endless close hooks of many connections do not delay the stop beyond stop.timeout.
func TestStopAbortsHooks(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, bootOnly(`function app:close() while true do end end`))
	server := enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager, c.Lua.TurnTimeout = dir, "app", config.Duration(time.Minute)
		c.Stop.Timeout, c.Stop.Drain = config.Duration(200*time.Millisecond), config.Duration(100*time.Millisecond)
	})
	for range 20 {
		server.Dial(t, "client")
	}
	// With a minute for each hook the test would time out.
	if err := server.Stop(); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run has not ended, want it ended soon after stop.timeout")
	}
}

// If a turn holds the loop, the clients still get their close frame, and the state is saved. That the turn had to be aborted is an
// error.
func TestStopBehindATurn(t *testing.T) {
	for name, file := range map[string]string{"without a file": "", "with a file": filepath.Join(t.TempDir(), "state.json")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, bootOnly(`server.message("Go", { protection = "none" }, function(c)
  server.state("kept", {}).spun = true
  c:send("Gone")
  while true do end
end)`))
			server := enginetest.Start(t, func(c *config.Config) {
				c.Lua.Path, c.Lua.Manager, c.Lua.TurnTimeout = dir, "app", config.Duration(time.Minute)
				c.Stop.Timeout, c.State.File = config.Duration(20*time.Second), file // longer than a machine stands still
			})
			alice := server.Dial(t, "alice")
			alice.Send(`{"name":"Go"}`)
			alice.Expect("Gone")
			if err := server.Stop(); err == nil || !strings.Contains(err.Error(), "stop.timeout") {
				t.Errorf("Run = %v, want an error that names stop.timeout", err)
			}
			if code, _ := alice.ExpectClose(); code != 1001 {
				t.Errorf("the client is closed with %d, want 1001", code)
			}
			if log := server.Log(); !strings.Contains(log, `msg="engine: stopped" connections=1 forced=0`) {
				t.Errorf("log:\n%s\nwant that one connection was stopped and none forced", log)
			}
			if file == "" {
				return
			}
			if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"spun":true`) {
				t.Errorf("the state file = %q, %v, want what the turn did", text, err)
			}
		})
	}
}

// stop.timeout begins when the time of stop.lame_duck is over.
func TestLameDuck(t *testing.T) {
	t.Parallel()
	server := enginetest.Start(t, func(c *config.Config) {
		c.Stop.LameDuck, c.Stop.Timeout, c.Stop.Drain = config.Duration(3*time.Second), config.Duration(2500*time.Millisecond), config.Duration(time.Second)
	})
	alice := server.Dial(t, "alice")
	began := time.Now()
	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if code, _ := alice.ExpectClose(); code != 1001 {
		t.Errorf("the client is closed with %d, want 1001", code)
	}
	if took := time.Since(began); took < 3*time.Second-100*time.Millisecond {
		t.Errorf("the only client is closed after %v, want 3s: it is the last", took)
	}
}

// Scripts that wait forever in their boot do not start, and do not keep the server from stopping.
func TestBootThatWaits(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, bootOnly(`while true do server.sleep(50) end`))
	c := config.Default()
	c.Server.Port, c.Lua.Path, c.Lua.Manager = 0, dir, "app"
	c.Lua.BootTimeout = config.Duration(100 * time.Millisecond)
	options := engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files}
	if err := engine.Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), "lua.boot_timeout") {
		t.Errorf("Run = %v, want an error that names lua.boot_timeout", err)
	}
	options.Config.Lua.BootTimeout = config.Duration(time.Hour)
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if err := engine.Run(ctx, options); err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("Run that is stopped while it boots = %v, want %v", err, context.DeadlineExceeded)
	}
}

// A server that cannot stop logs which components still run, saves its state, and has the process ended.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, bootOnly(`server.state("kept", { 1 })`))
	c := config.Default()
	c.Server.Port, c.Lua.Path, c.Lua.Manager, c.Queue.Driver = 0, dir, "app", config.DriverMemory
	c.Stop.Timeout, c.State.File = config.Duration(time.Millisecond), filepath.Join(dir, "state.json")
	ctx, stop := context.WithCancel(t.Context())
	release, timedOut := make(chan struct{}), make(chan []string, 1)
	var running sync.WaitGroup
	running.Go(func() {
		_ = engine.Run(ctx, engine.Options{
			Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files,
			OnStarted:     func(engine.Status, *engine.Server) { stop() },
			OnStopping:    func(time.Duration) { <-release },
			OnStopTimeout: func(held []string) { timedOut <- held },
		})
	})
	defer running.Wait()
	defer close(release)
	select {
	case held := <-timedOut:
		if !slices.Contains(held, "stop notification") || slices.Contains(held, "reload") {
			t.Errorf("held by %q, want stop notification, and not reload yet", held)
		}
		if text, err := os.ReadFile(c.State.File); err != nil || !strings.Contains(string(text), "kept") {
			t.Errorf("the state file = %q, %v, want the state", text, err)
		}
	case <-time.After(testkit.Timeout):
		t.Error("OnStopTimeout was not called")
	}
}
