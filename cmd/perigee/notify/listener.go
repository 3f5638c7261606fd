package notify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listener returns the TCP socket that the service manager has opened for this process (sd_listen_fds(3)), or nil if there is
// none. It clears the variables that say so, since child processes have no such socket. Call it once.
func Listener() (net.Listener, error) {
	// Checked here, since the library makes a file of each, however many.
	if n, err := strconv.Atoi(os.Getenv("LISTEN_FDS")); err == nil && n > 1 && os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		return nil, fmt.Errorf("notify: the service manager has opened %d sockets, want one", n)
	}
	files := activation.Files(true)
	if len(files) == 0 {
		return nil, nil //nolint:nilnil // having no socket is not an error
	}
	listener, err := net.FileListener(files[0])
	if err != nil {
		err = fmt.Errorf("notify: what the service manager has opened is no TCP socket that listens: %w", err)
	}
	if err = errors.Join(err, files[0].Close()); err == nil { // the listener has a copy
		if _, tcp := listener.Addr().(*net.TCPAddr); tcp {
			return listener, nil
		}
		err = fmt.Errorf("notify: the service manager has opened %s, want a TCP socket", listener.Addr().Network())
	}
	if listener != nil {
		err = errors.Join(err, listener.Close())
	}
	return nil, err
}
