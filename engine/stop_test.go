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
	"perigee/scripts"
)

// bootOnly is the source of a manager with one message, Go, and this in its boot.
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

// The server stops whatever its scripts do, and scripts that wait at its end are no errors in the log.
func TestStopWithScripts(t *testing.T) {
	const message = `server.message("Go", { protection = "none" }, `
	rows := []struct{ name, boot, logged string }{
		{"one that waits", message + `function(c) c:send("Gone") server.sleep(30000) end)`, ""},
		{"one that waits again", message + `function(c) c:send("Gone") while true do pcall(server.sleep, 1000) end end)`, ""},
		{"one that waits when it is too late", `function app:close() while true do pcall(server.sleep, 1000) end end ` +
			message + `function(c) c:send("Gone") end)`, ""},
		{"one that puts itself off", `server.command("Spin", function() server.next("Spin") end) ` +
			message + `function(c) server.next("Spin") c:send("Gone") end)`, ""},
		{"a close hook without end", `function app:close() while true do end end ` +
			message + `function(c) c:send("Gone") end)`, "time limit exceeded"},
		{"a stop hook without end", `function app:stop() while true do end end ` +
			message + `function(c) c:send("Gone") end)`, "time limit exceeded"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			write(t, folder, bootOnly(row.boot))
			server := enginetest.Start(t, func(c *config.Config) {
				c.Lua.Path, c.Lua.Manager = folder, "app"
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

// Close hooks without end, one for each of many connections, do not make the end take longer than stop.timeout each.
func TestStopGivesUp(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, bootOnly(`function app:close() while true do end end`))
	server := enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager, c.Lua.TurnTimeout = folder, "app", config.Duration(time.Minute)
		c.Stop.Timeout, c.Stop.Drain = config.Duration(200*time.Millisecond), config.Duration(100*time.Millisecond)
	})
	for range 20 {
		server.Dial(t, "client")
	}
	// With a minute for each hook the end would come long after the test's patience.
	if err := server.Stop(); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run has not ended, want it ended soon after stop.timeout")
	}
}

// A turn that keeps all others waiting does not cost the clients their close frame, nor the state its file; that it had to
// be ended is an error.
func TestStopBehindATurn(t *testing.T) {
	for name, file := range map[string]string{"without a file": "", "with a file": filepath.Join(t.TempDir(), "state.json")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			write(t, folder, bootOnly(`server.message("Go", { protection = "none" }, function(c)
  server.state("kept", {}).spun = true
  c:send("Gone")
  while true do end
end)`))
			server := enginetest.Start(t, func(c *config.Config) {
				c.Lua.Path, c.Lua.Manager, c.Lua.TurnTimeout = folder, "app", config.Duration(time.Minute)
				c.Stop.Timeout, c.State.File = config.Duration(6*time.Second), file
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

// Scripts that wait for ever in their boot do not start, and do not keep the server from being stopped.
func TestBootThatWaits(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, bootOnly(`while true do server.sleep(50) end`))
	c := config.Default()
	c.Server.Port, c.Lua.Path, c.Lua.Manager = 0, folder, "app"
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

// A server that something keeps from ending says what it is, saves its state, and asks for the end of the process.
func TestStopOverdue(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, folder, bootOnly(`server.state("kept", { 1 })`))
	c := config.Default()
	c.Server.Port, c.Lua.Path, c.Lua.Manager, c.Queue.Driver = 0, folder, "app", config.DriverMemory
	c.Stop.Timeout, c.State.File = config.Duration(time.Millisecond), filepath.Join(folder, "state.json")
	ctx, stop := context.WithCancel(t.Context())
	release, overdue := make(chan struct{}), make(chan []string, 1)
	var running sync.WaitGroup
	running.Go(func() {
		_ = engine.Run(ctx, engine.Options{
			Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files,
			Started:  func(engine.Status, *engine.Server) { stop() },
			Stopping: func() { <-release },
			Overdue:  func(held []string) { overdue <- held },
		})
	})
	defer running.Wait()
	defer close(release)
	select {
	case held := <-overdue:
		if !slices.Contains(held, "the word that it stops") || slices.Contains(held, "a reload") {
			t.Errorf("held by %q, want by the word that it stops, and not yet by a reload", held)
		}
		if text, err := os.ReadFile(c.State.File); err != nil || !strings.Contains(string(text), "kept") {
			t.Errorf("the state file = %q, %v, want the state", text, err)
		}
	case <-time.After(enginetest.Patience):
		t.Error("the server hangs, want it to say that it does")
	}
}
