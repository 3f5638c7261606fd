package control

import (
	"errors"

	"golang.org/x/sys/unix"
)

// socketCredentials reads the credentials of the peer of a socket (<sys/un.h>, LOCAL_PEERCRED and LOCAL_PEERPID).
func socketCredentials(fd int) (credentials, error) {
	c, errUser := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	pid, errPID := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err := errors.Join(errUser, errPID); err != nil {
		return credentials{}, err
	}
	return credentials{user: int(c.Uid), process: pid}, nil
}
