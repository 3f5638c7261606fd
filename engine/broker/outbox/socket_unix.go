//go:build unix

package outbox

import (
	"errors"
	"net"
	"syscall"
)

// rawConn returns the socket of a connection, or nil if it is not a socket of the system.
func rawConn(conn net.Conn) syscall.RawConn {
	if system, ok := conn.(syscall.Conn); ok {
		if raw, err := system.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// writeNonBlocking writes what the socket accepts without waiting.
func writeNonBlocking(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
