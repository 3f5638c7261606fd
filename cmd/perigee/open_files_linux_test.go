package main

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"perigee/engine/testkit"
)

// A server that has no file descriptor left goes on serving its clients, and accepts others as soon as it has one.
func TestFewOpenFiles(t *testing.T) {
	v := newVictim(t)
	log := newScreen()
	cmd := exec.Command("sh", "-c", `ulimit -n 64 && exec "$@"`, "sh", v.program, "start", "--port", "0", "--connector", "memory",
		"--lua-manager", "app", "--control", "off", "--max-connections", "0")
	v.run(t, cmd, log)
	server := &live{address: v.address(t)}
	early := server.dial(t)
	early.await("ConnectionEstablished")
	var silent []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", server.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	log.await(t, "too many open files")
	early.send(`{"name":"IsItServed"}`)
	early.await("UnknownMessage")
	for _, conn := range silent {
		conn.Close()
	}
	server.dial(t).await("ConnectionEstablished")
	if said := log.String(); strings.Contains(said, "panic") {
		t.Errorf("the log says %s, want no panic", said)
	}
	testkit.Measured(t, "64 files, 100 connections more: clients are served, and a new one gets in after they are gone")
	v.stop(t)
}
