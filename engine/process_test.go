package engine_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// programs are those that the transcript processes.txt starts.
func programs() map[string]config.Process {
	return map[string]config.Process{
		"say":     {Command: []string{"/bin/sh", "-c", `echo "$1"; echo; printf last; exit 3`, "sh"}, Args: "[a-z]+"},
		"cat":     {Command: []string{"/bin/cat"}},
		"count":   {Command: []string{"/bin/sh", "-c", "printf '3\n1\n2\n'"}},
		"sort":    {Command: []string{"/bin/sh", "-c", "sort -n"}},
		"missing": {Command: []string{"/nowhere/missing"}},
	}
}

// A program that ignores SIGTERM, writes endlessly and has a child ends with the server, as does the child. The stop hook runs
// before, and a callback that fails is logged.
func TestProcessesEnd(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes")
	server := application(t, `
local log = require("log")
function app:boot()
  base.boot(self)
  server.message("Start", { protection = "none" }, function(client)
    self.note = server.execute("note", { on_output = function() client:send("Noting") end })
    server.execute("stubborn", { restart = true, on_error = function(line) client:send("Child", { pid = line }) end,
      on_output = function() error("no flood, please") end, on_exit = function(code) log.info("over", { code = code }) end })
  end)
end
function app:stop()
  log.info("stop hook", { running = self.note.running })
end`, func(c *config.Config) {
		c.Processes = map[string]config.Process{
			"stubborn": {Command: []string{"/bin/sh", "-c", `trap "" TERM; sleep 100 & echo $! >&2; yes; while :; do sleep 1; done`}},
			"note":     {Command: []string{"/bin/sh", "-c", `trap "echo ended >` + notes + `; exit" TERM; echo; while :; do sleep 0.05; done`}},
		}
	})
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Start"}`)
	said := map[string]enginetest.Frame{}
	for range 2 { // in any order
		frame := alice.Next()
		for frame.Name() != "Child" && frame.Name() != "Noting" {
			frame = alice.Next()
		}
		said[frame.Name()] = frame
	}
	text, _ := said["Child"]["pid"].(string)
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("the child's number is %q, want a number", text)
	}
	const failed = "msg=\"script: callback of a process failed\" process=stubborn callback=on_output"
	logged(t, server, failed, 1) // so that it floods
	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if stat, err := os.ReadFile("/proc/" + text + "/stat"); err == nil && !strings.Contains(string(stat), ") Z") {
		t.Errorf("the child %d is still there: %s", pid, stat)
	}
	if text, err := os.ReadFile(notes); err != nil || string(text) != "ended\n" {
		t.Errorf("the note is %q, %v, want what it does on SIGTERM", text, err)
	}
	if want := "turn=manager:stop generation=1 running=true"; !strings.Contains(server.Log(), want) {
		t.Errorf("the log lacks %s", want)
	}
}

// The last callback of a process that fails is logged, also right after another one that fails.
func TestProcessCallbacksFail(t *testing.T) {
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Start", { protection = "none" }, function(client)
    server.execute("count", { on_output = function() error("no line") end, on_exit = function() error("no exit") end }):wait()
    client:send("Ended")
  end)
end`, func(c *config.Config) { c.Processes = programs() })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Start"}`)
	for alice.Next().Name() != "Ended" {
		continue
	}
	logged(t, server, "process=count callback=on_output", 1)
	logged(t, server, "process=count callback=on_exit", 1)
}

// Endless output of a program does not keep other clients from getting their replies.
func TestProcessFlood(t *testing.T) {
	server := application(t, `
local lines = 0
function app:boot()
  base.boot(self)
  server.execute("flood", { on_output = function() lines = lines + 1 end })
  server.message("Lines", { protection = "none" }, function(client)
    client:send("Lines", { lines = lines })
  end)
end`, func(c *config.Config) {
		c.Processes = map[string]config.Process{"flood": {Command: []string{"/bin/sh", "-c", "yes"}}}
		c.Limits.MessagesPerSecond = 0 // the client repeats its request until enough has come
	})
	alice := server.Dial(t, "alice")
	for end := time.Now().Add(testkit.Timeout); ; {
		alice.Send(`{"name":"Lines"}`)
		lines, _ := alice.Expect("Lines")["lines"].(float64)
		if lines > 1000 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v lines of the flood have come, want more than 1000", lines)
		}
	}
}
