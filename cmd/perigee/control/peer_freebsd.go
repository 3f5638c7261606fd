package control

import "golang.org/x/sys/unix"

// socketCredentials reads the user of the peer of a socket (unix(4), LOCAL_PEERCRED).
func socketCredentials(fd int) (credentials, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return credentials{}, err
	}
	return credentials{user: int(c.Uid)}, nil
}
