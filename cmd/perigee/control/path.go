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

	"perigee/engine/platform"
)

// ErrRunning is wrapped by errors about a path or a PID file that a running server uses.
var ErrRunning = errors.New("a server runs there already")

// ErrNotRunning is wrapped by errors about a path at which no server listens.
var ErrNotRunning = errors.New("no server runs there")

// maxPath is the longest path of a socket, in bytes: sun_path of unix(7) less the byte that ends it.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// Path returns the default path of the socket of a server that listens on a TCP port: in the directory perigee of runtime
// ($XDG_RUNTIME_DIR), or in one of the user's own in temporary if runtime is "".
func Path(runtime, temporary string, port int) string {
	return filepath.Join(directory(runtime, temporary), strconv.Itoa(port)+extension)
}

// Paths returns the existing sockets at default paths, sorted, as far as they can be listed. Those of dead servers are among
// them.
func Paths(runtime, temporary string) (paths []string) {
	dir := directory(runtime, temporary)
	entries, _ := os.ReadDir(dir) // it need not exist
	for _, entry := range entries {
		if entry.Type() == fs.ModeSocket && strings.HasSuffix(entry.Name(), extension) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths
}

const extension = ".sock"

func directory(runtime, temporary string) string {
	user := os.Geteuid()
	switch {
	case runtime != "":
		return filepath.Join(runtime, "perigee")
	case user < 0: // on Windows, where each user has a directory for temporary files
		return filepath.Join(temporary, "perigee")
	}
	return filepath.Join(temporary, "perigee-"+strconv.Itoa(user))
}

// listen creates the socket, and its directory if that is missing.
func (s *Server) listen(ctx context.Context) error {
	if len(s.path) > maxPath {
		return fmt.Errorf("the path has %d bytes, and the system takes %d at most; choose a shorter one with server.control", len(s.path), maxPath)
	}
	unlock, err := lockDirectory(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer unlock()
	if err := removeStale(ctx, s.path); err != nil {
		return err
	}
	s.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		return err
	}
	s.listener.SetUnlinkOnClose(false) // remove checks first that the socket is still this one
	// Other users cannot have connected in between: the directory is closed to them.
	err = restrict(s.path)
	if err == nil {
		s.created, err = os.Lstat(s.path)
	}
	if err != nil {
		return errors.Join(err, s.listener.Close())
	}
	return nil
}

// remove deletes the socket, unless another server has replaced it.
func (s *Server) remove() error {
	now, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, s.created) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(s.path)
}

// lockDirectory creates a directory if it is missing, checks it, and locks it: if two servers start at once, the second finds
// the socket of the first. The lock is held for at most as long as dial takes.
func lockDirectory(dir string) (unlock func(), err error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(dir, info); err != nil {
		return nil, err
	}
	release, err := platform.Lock(lockPath(dir))
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return func() { _ = release() }, nil // the end of the process releases it at the latest
}

// checkPrivate refuses directories that other users can access.
func checkPrivate(dir string, info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	return checkOwner(dir, info)
}

// removeStale removes the socket of a dead server. The error wraps ErrRunning if the server is alive.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("the file there is not a socket, and is kept; choose another path with server.control")
	}
	conn, err := dial(ctx, path)
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
	if server.process == 0 {
		return fmt.Errorf("%w: stop it, or choose another", ErrRunning)
	}
	return fmt.Errorf("%w, as process %d: stop it, or choose another", ErrRunning, server.process)
}
