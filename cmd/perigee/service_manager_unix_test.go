//go:build unix

package main

import (
	"net"
	"strings"
	"syscall"
	"testing"
)

// signs returns the number of unread notifications.
func signs(t *testing.T, socket *net.UnixConn) (n int) {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Read(func(fd uintptr) bool {
		for {
			if _, err := syscall.Read(int(fd), make([]byte, 64)); err != nil {
				return true // EAGAIN: there is no more
			}
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// While a script blocks the loop, no watchdog notifications are sent, and status shows it. Afterwards they are sent again.
func TestStuckServer(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, `server.message("Hold", { protection = "none" }, function(client)
    client:send("Holding")
    while true do end
  end)`)
	manager := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "200000") // a sign each 100 ms
	_, environ := runtimeDir(t)
	server := start(t, environ, "--lua-manager", "app", "--lua-turn-timeout", "3s")
	if got := heard(t, manager); !strings.HasPrefix(got, "READY=1") {
		t.Errorf("first the service manager hears %q, want READY=1", got)
	}
	alice := server.dial(t)
	alice.send(`{"name":"Hold"}`)
	alice.await("Holding")
	signs(t, manager)
	code, stdout, stderr := perigee(t, environ, "status", "-P", server.port) // which waits a second for the loop
	if code != 0 || !strings.Contains(stdout, "no, blocked by a script") {
		t.Errorf("status = %d, %q, %q, want that a script blocks the server", code, stdout, stderr)
	}
	if n := signs(t, manager); n > 1 { // one may have been on its way when the script began
		t.Errorf("%d watchdog notifications while a script blocks the loop, want none", n)
	}
	alice.await("HandlerFailed")
	if got := heard(t, manager); got != "WATCHDOG=1" {
		t.Errorf("after that the service manager hears %q, want WATCHDOG=1", got)
	}
}
