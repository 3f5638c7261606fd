package persist

import (
	"errors"
	"fmt"

	"perigee/engine/config"
	"perigee/engine/platform"
)

// ErrLocked is wrapped by the error of Lock if another process holds the lock.
var ErrLocked = errors.New("another server uses the state file; give each server its own")

// Lock locks the state file that the settings name, if any, for this process until release is called. Call it before New, so
// that New reads what the previous server saved last. If another running server holds the lock, the error is ErrLocked.
func Lock(c config.State) (release func() error, err error) {
	if c.File == "" {
		return func() error { return nil }, nil
	}
	file, err := Open(c.File)
	if err != nil {
		return nil, err
	}
	return file.Lock()
}

// Lock locks the file for this process until release is called or the process ends: two processes that save to one file
// would undo each other's changes. It locks a separate file, PATH.lock, which is left behind. On a filesystem without locks it
// excludes no one. Reading needs no lock.
func (f *File) Lock() (release func() error, err error) {
	release, err = platform.TryLock(f.path + ".lock")
	switch {
	case errors.Is(err, platform.ErrLocked):
		return nil, fmt.Errorf("%s: %w", f.path, ErrLocked)
	case err != nil:
		return nil, f.wrap("locking", err)
	}
	return release, nil
}
