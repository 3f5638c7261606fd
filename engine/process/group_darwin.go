package process

import "syscall"

// groupAttributes starts a program in a process group of its own. If the server is killed, the program goes on.
func groupAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
