package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrRunning is wrapped by errors of a place that a living server holds.
var ErrRunning = errors.New("a server runs there already")

// ErrNotRunning is wrapped by errors of a place where no server listens.
var ErrNotRunning = errors.New("no server runs there")

// maxPath is the longest path of a socket, in bytes: sun_path of unix(7) less the byte that ends it.
const maxPath = 107

// Path returns where the socket of a server is that listens on a TCP port, where no setting says it: in the folder perigee of
// runtime ($XDG_RUNTIME_DIR), or in one of the user's own in temporary where runtime is "".
func Path(runtime, temporary string, port int) string {
	return filepath.Join(folder(runtime, temporary), strconv.Itoa(port)+ending)
}

// Paths returns what Path has returned for the servers that run, and for those that have left their sockets, sorted.
func Paths(runtime, temporary string) ([]string, error) {
	at := folder(runtime, temporary)
	entries, err := os.ReadDir(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if entry.Type() == fs.ModeSocket && strings.HasSuffix(entry.Name(), ending) {
			paths = append(paths, filepath.Join(at, entry.Name()))
		}
	}
	return paths, nil
}

// ending is how the names of sockets end.
const ending = ".sock"

func folder(runtime, temporary string) string {
	if runtime == "" {
		return filepath.Join(temporary, "perigee-"+strconv.Itoa(os.Geteuid()))
	}
	return filepath.Join(runtime, "perigee")
}

// place is where a socket is.
type place struct {
	path string
	made fs.FileInfo // the socket, once there is one
}

// take listens there. The folder is made where it is missing.
func (p *place) take(ctx context.Context) (*net.UnixListener, error) {
	if len(p.path) > maxPath {
		return nil, fmt.Errorf("the path has %d bytes, and the system takes %d at most; choose a shorter one with server.control", len(p.path), maxPath)
	}
	unlock, err := lock(filepath.Dir(p.path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := vacate(ctx, p.path); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // remove looks first whose it is
	// Nobody but the owner can have reached it in between: the folder is closed to others.
	err = os.Chmod(p.path, 0o600)
	if err == nil {
		p.made, err = os.Lstat(p.path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// remove deletes the socket, unless somebody else's stands there by now.
func (p *place) remove() error {
	now, err := os.Lstat(p.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, p.made) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(p.path)
}

// lock makes sure of the folder and holds it, so that of two servers that start at once the second finds the first. Nobody
// holds it for longer than a dial takes.
func lock(folder string) (unlock func(), err error) {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return nil, err
	}
	if err := private(folder, info); err != nil {
		return nil, err
	}
	file, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "lock", Path: folder, Err: err}, file.Close())
	}
	return func() { _ = file.Close() }, nil // which gives back the lock
}

// private refuses folders that others than the server's user can do something in.
func private(folder string, info fs.FileInfo) error {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", folder)
	case !known || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("folder %s belongs to somebody else than user %d; choose another with server.control", folder, os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("folder %s is open to others, its mode is %04o; close it with chmod 700, or choose another with server.control",
			folder, info.Mode().Perm())
	}
	return nil
}

// vacate removes what a dead server has left.
func vacate(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("what stands there is not a socket, and stays; choose another with server.control")
	}
	conn, err := connect(ctx, path)
	if errors.Is(err, ErrNotRunning) {
		return os.Remove(path)
	}
	if err != nil {
		return err
	}
	server, err := peer(conn)
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	return fmt.Errorf("%w, as process %d: stop it, or choose another", ErrRunning, server.Pid)
}

// connectError says what it means that nobody took a connection.
func connectError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return ErrNotRunning
	case errors.Is(err, syscall.EAGAIN): // unix(7): its backlog is full
		return fmt.Errorf("%w, and takes no more connections", ErrRunning)
	}
	return err
}
