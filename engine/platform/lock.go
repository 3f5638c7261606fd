// Package platform owns what several packages need and operating systems do differently: locks of files, and the numbers of the
// errors of sockets. It must not know what a file or a socket is for.
package platform

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/gofrs/flock"
)

// ErrLocked is returned by TryLock if another process holds the lock.
var ErrLocked = errors.New("another process holds the lock")

// Lock locks a file or, except on Windows, a directory for this process until release is called or the process ends. It waits while
// another process holds the lock. If nothing is there, it creates a file, and leaves it behind. On a filesystem without locks it
// excludes no one.
func Lock(path string) (release func() error, err error) {
	lock := newLock(path)
	return hold(lock, lock.Lock())
}

// TryLock is Lock without waiting: if another process holds the lock, the error is ErrLocked.
func TryLock(path string) (release func() error, err error) {
	lock := newLock(path)
	locked, err := lock.TryLock()
	if err == nil && !locked {
		err = ErrLocked
	}
	return hold(lock, err)
}

func newLock(path string) *flock.Flock {
	flag := os.O_RDWR | os.O_CREATE | syscall.O_NONBLOCK // opening a pipe must not block
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		flag = os.O_RDONLY
	}
	return flock.New(path, flock.SetFlag(flag), flock.SetPermissions(0o600))
}

// hold returns the release of a lock that was taken, or is not supported, or closes its file.
func hold(lock *flock.Flock, err error) (release func() error, _ error) {
	if err == nil || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) {
		return lock.Close, nil
	}
	if errClose := lock.Close(); errClose != nil {
		err = fmt.Errorf("%w, and closing its file: %w", err, errClose)
	}
	return nil, err
}
