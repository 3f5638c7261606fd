package control

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// peer returns the credentials of the process at the other end of a connection (unix(7), SO_PEERCRED).
func peer(conn *net.UnixConn) (*syscall.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var credentials *syscall.Ucred
	var errOption error
	err = raw.Control(func(fd uintptr) {
		credentials, errOption = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return nil, err
	}
	return credentials, errOption
}

// checkClient refuses clients of users other than the server's and root.
func checkClient(conn *net.UnixConn) error {
	client, err := peer(conn)
	if err != nil {
		return err
	}
	if !clientAllowed(client.Uid, os.Geteuid()) {
		return fmt.Errorf("process %d of user %d is refused: only user %d and root are allowed", client.Pid, client.Uid, os.Geteuid())
	}
	return nil
}

// clientAllowed reports whether a client of one user may use the server of another.
func clientAllowed(client uint32, server int) bool { return client == 0 || int(client) == server }

// checkServer refuses servers of users other than the client's and root: in a directory for temporary files, anyone could have
// created the socket first.
func checkServer(conn *net.UnixConn) error {
	server, err := peer(conn)
	if err != nil {
		return err
	}
	if !serverTrusted(server.Uid, os.Geteuid()) {
		return fmt.Errorf("process %d of user %d listens there, which is not trusted", server.Pid, server.Uid)
	}
	return nil
}

// serverTrusted reports whether a client of one user trusts the server of another. root trusts every server.
func serverTrusted(server uint32, client int) bool {
	return client == 0 || server == 0 || int(server) == client
}
