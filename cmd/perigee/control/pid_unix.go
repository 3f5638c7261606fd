//go:build unix

package control

import (
	"errors"
	"syscall"
)

// exists reports whether there is a process with this ID.
func exists(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
