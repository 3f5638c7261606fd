package process

import (
	"errors"

	"golang.org/x/sys/unix"
)

// awaitExit waits until the program has ended, without reaping it: until then the ID of its group cannot be reused.
func (r *run) awaitExit() {
	for errors.Is(unix.Waitid(unix.P_PID, r.pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}
