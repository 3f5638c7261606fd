package testkit

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// Nothing listens at a reserved address, the kernel does not assign it again, and a server can listen there several times.
func TestReservePort(t *testing.T) {
	address := ReservePort(t)
	for range 2 {
		if c, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial(%s) = %v, %v, want %v", address, c, err, syscall.ECONNREFUSED)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatalf("Listen(%s) = %v, want nil", address, err)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("Dial(%s) with a listener = %v, want nil", address, err)
		}
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		served.Close() // the server first, so that its port waits in TIME_WAIT
		c.Close()
		l.Close()
	}
	reserved := map[string]bool{address: true}
	for range 300 {
		reserved[ReservePort(t)] = true
	}
	for range 1000 { // of the 28,000 that the kernel picks from
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if reserved[l.Addr().String()] {
			t.Fatalf("Listen on any free port = %s, which is reserved", l.Addr())
		}
	}
}
