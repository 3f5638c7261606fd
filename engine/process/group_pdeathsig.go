//go:build linux || freebsd

package process

import "syscall"

// groupAttributes starts a program in a process group of its own, and has the kernel kill it if the server dies.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
