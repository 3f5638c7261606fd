// Package port keeps TCP ports of 127.0.0.1 for servers that a test starts, stops and starts again. Only tests import it.
package port

import (
	"net"
	"strconv"
	"syscall"
	"testing"
)

// Reserve returns an address of 127.0.0.1 at which nobody listens and that is the test's until it ends: whoever connects to it
// is refused, nobody else is given its port, and a server that is told to listen there can, and again after it has ended. For
// that the port is bound by a socket that does not listen, and the server sets SO_REUSEADDR, as servers do (socket(7)).
func Reserve(tb testing.TB) (address string) {
	tb.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatalf("socket: %v", err)
	}
	tb.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		tb.Fatalf("setsockopt SO_REUSEADDR: %v", err)
	}
	loopback := [4]byte{127, 0, 0, 1}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: loopback}); err != nil {
		tb.Fatalf("bind to a free port of 127.0.0.1: %v", err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		tb.Fatalf("getsockname: %v", err)
	}
	at, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		tb.Fatalf("getsockname = %T, want an address of IPv4", bound)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Port))
}
