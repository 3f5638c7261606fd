//go:build unix

package testkit

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// ReservePort returns an address of 127.0.0.1 with a free port that stays reserved until the test ends. Connecting to it is
// refused, the kernel does not assign the port again, and a server that is told to listen there can do so, also again after it
// has ended. The port is bound by a socket that does not listen; servers set SO_REUSEADDR (socket(7)).
func ReservePort(tb testing.TB) (address string) {
	tb.Helper()
	syscall.ForkLock.RLock()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
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

// MakePipe creates a named pipe.
func MakePipe(tb testing.TB, path string) {
	tb.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// ProcessorTime returns the processor time of this process. Other processes have less influence on it than on the time that passes.
func ProcessorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
