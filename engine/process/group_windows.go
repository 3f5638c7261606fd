package process

import "syscall"

// groupAttributes keeps Ctrl-C in the server's console from the program. If the server is killed, the program goes on.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// signal ends the program at once, whatever the signal. The processes that it has started go on.
func (r *run) signal(syscall.Signal) {
	_ = r.cmd.Process.Kill() // it fails only if the program has ended
}
