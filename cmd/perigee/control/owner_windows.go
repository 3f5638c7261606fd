package control

import (
	"io/fs"
	"path/filepath"
)

// checkOwner accepts every directory. By default the socket is in the user's own directory for temporary files, which Windows
// closes to other users; who can open another directory is up to the user who names it.
func checkOwner(string, fs.FileInfo) error { return nil }

// restrict does nothing: the directory decides.
func restrict(string) error { return nil }

// lockPath returns what servers that start at the same time lock: a file, since Windows does not lock directories.
func lockPath(dir string) string { return filepath.Join(dir, ".lock") }
