package state

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrTaken is wrapped by the error of Claim where another process has the file.
var ErrTaken = errors.New("another server has it: give each a file of its own")

// Claim makes the file this process's own until release is called or the process ends: of two that saved there, each would
// undo what the other did. It holds an advisory lock (flock(2)) on a file of its own beside the file, which stays there; a
// filesystem that knows no locks holds nobody back. Reading needs no claim.
func (f *File) Claim() (release func() error, err error) {
	lock, err := os.OpenFile(f.path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, f.fault("claiming", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(f.fault("claiming", fmt.Errorf("%w (%s.lock)", ErrTaken, f.path)), lock.Close())
	case err != nil && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOLCK) && !errors.Is(err, syscall.ENOSYS):
		return nil, errors.Join(f.fault("claiming", err), lock.Close())
	}
	return lock.Close, nil
}
