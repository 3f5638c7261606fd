package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxPIDFile is the largest PID file that is read, in bytes: 64 bits in decimal, a sign and white space.
const maxPIDFile = 32

// WritePID writes a PID file atomically, and returns a function that removes it. It overwrites the PID file of a dead process,
// but no file that holds anything else. If the process in the file is alive and runs the same program, the error wraps
// ErrRunning.
func WritePID(path string) (remove func() error, err error) {
	remove, err = writePID(path)
	if err != nil {
		return nil, fmt.Errorf("control: PID file %s: %w", path, err)
	}
	return remove, nil
}

func writePID(path string) (remove func() error, err error) {
	old, err := readPID(path)
	if err != nil {
		return nil, err
	}
	if sameProgram(old) {
		return nil, fmt.Errorf("%w, as process %d: stop it, or choose another file with server.pid_file", ErrRunning, old)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	_, errWrite := fmt.Fprintln(file, os.Getpid())
	err = errors.Join(errWrite, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(file.Name()))
	}
	return func() error {
		if now, err := readPID(path); err != nil || now != os.Getpid() {
			return err // another server has replaced it
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("control: %w", err)
		}
		return nil
	}, nil
}

var errNoPID = errors.New("the file there does not hold the number of a process, and is kept; choose another path with server.pid_file")

// readPID returns the PID in a file, or 0 if the file does not exist or is empty.
func readPID(path string) (int, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // do not wait for a pipe
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, errors.Join(errNoPID, err, file.Close())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxPIDFile+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return 0, nil
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || pid <= 0 || len(text) > maxPIDFile {
		return 0, errNoPID
	}
	return pid, nil
}

// sameProgram reports whether pid is another, living process of this program. The system reuses PIDs: after a crash the one in
// the file may be that of any process, in a container even this one's own.
func sameProgram(pid int) bool {
	if pid == 0 || pid == os.Getpid() || !exists(pid) {
		return false
	}
	theirs, errTheirs := programName(pid)
	ours, errOurs := programName(os.Getpid())
	return theirs == ours || errTheirs != nil || errOurs != nil // to be safe
}
