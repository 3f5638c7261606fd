package outbox

import (
	"errors"
	"net"
	"syscall"
)

// rawConn returns nil: Windows cannot write to a socket of Go without waiting. A goroutine writes each frame instead, and a
// connection that is aborted ends without a close frame.
func rawConn(net.Conn) syscall.RawConn { return nil }

// writeNonBlocking is not called without a rawConn.
func writeNonBlocking(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
