package control

import "golang.org/x/sys/unix"

// socketCredentials reads the credentials of the peer of a socket (unix(7), SO_PEERCRED).
func socketCredentials(fd int) (credentials, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return credentials{}, err
	}
	return credentials{user: int(c.Uid), process: int(c.Pid)}, nil
}
