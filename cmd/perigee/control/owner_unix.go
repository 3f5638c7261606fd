//go:build unix

package control

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses directories of other users, and those that other users can access.
func checkOwner(dir string, info fs.FileInfo) error {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !known || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("directory %s does not belong to user %d; choose another with server.control", dir, os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("directory %s is open to other users, its mode is %04o; close it with chmod 700, or choose another with server.control",
			dir, info.Mode().Perm())
	}
	return nil
}

// restrict closes a socket to other users.
func restrict(path string) error { return os.Chmod(path, 0o600) }

// lockPath returns what servers that start at the same time lock: the directory itself.
func lockPath(dir string) string { return dir }
