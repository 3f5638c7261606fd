//go:build unix

package process

import "syscall"

// signal sends a signal to the process group of the program.
func (r *run) signal(s syscall.Signal) {
	_ = syscall.Kill(-r.pid, s) // it fails only if all of them have ended
}
