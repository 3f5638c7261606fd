package control

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// peer returns whose process is at the other end (unix(7), SO_PEERCRED): for a client the one that listens, for a server the
// one that connected.
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

// admit refuses clients of other users; root could do whatever the server's owner can.
func admit(conn *net.UnixConn) error {
	client, err := peer(conn)
	if err != nil {
		return err
	}
	if !mayAsk(client.Uid, os.Geteuid()) {
		return fmt.Errorf("process %d of user %d is refused: only user %d and root may", client.Pid, client.Uid, os.Geteuid())
	}
	return nil
}

func mayAsk(client uint32, owner int) bool { return client == 0 || int(client) == owner }

// trust refuses servers of other users: in a folder for everybody's temporary files, anybody could have been first.
func trust(conn *net.UnixConn) error {
	server, err := peer(conn)
	if err != nil {
		return err
	}
	if !mayAnswer(server.Uid, os.Geteuid()) {
		return fmt.Errorf("process %d of user %d listens there: it is not believed", server.Pid, server.Uid)
	}
	return nil
}

func mayAnswer(server uint32, caller int) bool {
	return caller == 0 || server == 0 || int(server) == caller
}
