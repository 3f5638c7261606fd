package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"perigee/engine/testkit"
)

// versioned is an application that notes its version in the state, and asks a service before its boot ends.
const versioned = `
local base = require "manager"
local http = require "http"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  server.state("app", {}).version = %d
  assert(http.get(%q))
end
return app`

// If a server is killed during a reload, nothing of the new scripts has reached the state file, and the next server runs them.
func TestKillWhileReloading(t *testing.T) {
	asked, answer := make(chan struct{}, 1), make(chan struct{}, 1)
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	}))
	defer service.Close()
	defer close(answer)
	v := newVictim(t)
	write := func(version int) {
		t.Helper()
		text := fmt.Sprintf(versioned, version, service.URL)
		if err := os.WriteFile(filepath.Join(v.dir, "scripts", "app.lua"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	saved := func() string {
		text, _ := os.ReadFile(v.stateFile()) // empty while there is none
		return string(text)
	}
	start := func() {
		t.Helper()
		v.run(t, exec.Command(v.program, "start", "--port", "0", "--control", "off", "--lua-manager", "app", "--queue-driver", "off", "--state-file", "state.json"), &v.log)
		testkit.Receive(t, asked, "the boot")
	}
	write(1)
	start()
	answer <- struct{}{}
	testkit.WaitFor(t, "the state of the first version", func() bool { return strings.Contains(saved(), `"version":1`) })
	v.address(t)
	write(2)
	if err := v.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Receive(t, asked, "the boot of the reload")
	v.kill()
	if text := saved(); !strings.Contains(text, `"version":1`) {
		t.Errorf("the state file has %s after the kill, want that of the first version", text)
	}
	answer <- struct{}{}
	start()
	answer <- struct{}{}
	v.stop(t)
	if text := saved(); !strings.Contains(text, `"version":2`) {
		t.Errorf("the state file has %s after the next server, want that of the second version", text)
	}
}
