package control

import (
	"fmt"
	"net"
	"os"
)

// credentials identify the process at the other end of a connection, as far as the system tells.
type credentials struct {
	user    int // -1 on Windows, as os.Geteuid there
	process int // 0 if it is not known
}

// String describes the process in an error.
func (c credentials) String() string {
	if c.process == 0 {
		return fmt.Sprintf("a process of user %d", c.user)
	}
	return fmt.Sprintf("process %d of user %d", c.process, c.user)
}

// checkClient refuses clients of users other than the server's and root.
func checkClient(conn *net.UnixConn) error {
	client, err := peer(conn)
	if err != nil {
		return err
	}
	if !clientAllowed(client.user, os.Geteuid()) {
		return fmt.Errorf("%s is refused: only user %d and root are allowed", client, os.Geteuid())
	}
	return nil
}

// clientAllowed reports whether a client of one user may use the server of another.
func clientAllowed(client, server int) bool { return client == 0 || client == server }

// checkServer refuses servers of users other than the client's and root: in a directory for temporary files, anyone could have
// created the socket first.
func checkServer(conn *net.UnixConn) error {
	server, err := peer(conn)
	if err != nil {
		return err
	}
	if !serverTrusted(server.user, os.Geteuid()) {
		return fmt.Errorf("%s listens there, which is not trusted", server)
	}
	return nil
}

// serverTrusted reports whether a client of one user trusts the server of another. root trusts every server.
func serverTrusted(server, client int) bool { return client == 0 || server == 0 || server == client }
