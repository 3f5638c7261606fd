//go:build unix

package control

import "net"

// peer returns the credentials of the process at the other end of a connection.
func peer(conn *net.UnixConn) (c credentials, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return c, err
	}
	var errOption error
	if err := raw.Control(func(fd uintptr) { c, errOption = socketCredentials(int(fd)) }); err != nil {
		return c, err
	}
	return c, errOption
}
