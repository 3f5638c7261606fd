//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// stopsSlowly is an application whose stop hook takes a moment.
const stopsSlowly = `
local base = require "manager"
local log = require "log"
local server = require "server"
local app = base:extend()
function app:stop()
  log.info("the stop hook runs")
  server.sleep(200)
end
return app`

// The time in which the process stands still, as in a paused virtual machine, does not count towards stop.timeout.
func TestStopWhileStandingStill(t *testing.T) {
	v := newVictim(t, "")
	if err := os.WriteFile(filepath.Join(v.dir, "scripts", "app.lua"), []byte(stopsSlowly), 0o600); err != nil {
		t.Fatal(err)
	}
	banner, log := newScreen(), newScreen()
	cmd := exec.Command(v.program, "start", "--port", "0", "--connector", "memory", "--lua-manager", "app", "--control", "off",
		"--stop-timeout", "1s", "--stop-drain", "1s")
	cmd.Stdout, cmd.Stderr = banner, log
	v.run(t, cmd)
	banner.await(t, "websocket")
	err := cmd.Process.Signal(syscall.SIGTERM)
	log.await(t, "the stop hook runs")
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(time.Second + 3*time.Second) // longer than stop.timeout and the time after which the process ends itself
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGCONT))
	<-v.ended
	v.cmd = nil
	if err = errors.Join(err, v.err); err != nil {
		t.Errorf("the server ends with %v, want it to stop in order", err)
	}
}
