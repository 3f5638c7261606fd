//go:build unix

package laraveldb

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// nobody is the ID of the user that runs the databases if root runs the tests: PostgreSQL refuses to run as root.
const nobody = 65534

// giveAway gives a directory to the user of the databases.
func giveAway(tb testing.TB, path string) {
	tb.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		tb.Fatal(err)
	}
}

// dropRights makes a command run as the user of the databases.
func dropRights(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// ended reports whether a process has ended, and collects it then.
func ended(cmd *exec.Cmd) bool {
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WNOHANG, nil)
	return err == nil && pid == cmd.Process.Pid
}
