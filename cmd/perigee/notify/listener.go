package notify

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listener returns the TCP socket that the service manager has opened for this process (sd_listen_fds(3)), or nil if there is
// none. It clears the variables that say so, since child processes have no such socket. Call it once.
func Listener() (net.Listener, error) {
	files := activation.Files(true)
	if len(files) == 0 {
		return nil, nil //nolint:nilnil // having no socket is not an error
	}
	var err error
	if len(files) > 1 {
		err = fmt.Errorf("notify: the service manager has opened %d sockets, want one", len(files))
	}
	listener, errListener := net.FileListener(files[0])
	for _, file := range files {
		errListener = errors.Join(errListener, file.Close()) // the listener has a copy
	}
	if err = errors.Join(err, errListener); err == nil {
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
