//go:build unix

package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// asksAtTheEnd is an application whose stop hook asks another server.
const asksAtTheEnd = `
local base = require "manager"
local http = require "http"
local server = require "server"
local app = base:extend()
function app:stop() http.get(server.config.url) end
return app`

// The time in which the process stands still, as in a paused virtual machine, does not count towards stop.timeout.
func TestStopWhileStandingStill(t *testing.T) {
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	}))
	defer other.Close()
	v := newVictim(t)
	err := errors.Join(
		os.WriteFile(filepath.Join(v.dir, "scripts", "app.lua"), []byte(asksAtTheEnd), 0o600),
		os.WriteFile(filepath.Join(v.dir, "server.toml"), fmt.Appendf(nil, "[app]\nurl = %q\n", other.URL), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(v.program, "start", "--port", "0", "--connector", "memory", "--lua-manager", "app", "--control", "off",
		"--stop-timeout", "1s", "--stop-drain", "1s")
	v.run(t, cmd, &v.log)
	v.address(t)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testkit.Receive(t, asked, "the request of the stop hook")
	err = cmd.Process.Signal(syscall.SIGSTOP)
	const stopTimeout, grace = time.Second, 2 * time.Second // after both the process would end itself
	time.Sleep(stopTimeout + grace + time.Second)
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGCONT))
	close(answer)
	<-v.ended
	v.cmd = nil
	if err = errors.Join(err, v.err); err != nil {
		t.Errorf("the server ends with %v, want it to stop in order", err)
	}
}
