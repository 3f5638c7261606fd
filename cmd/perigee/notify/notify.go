// Package notify owns the relation to the service manager: which one started the server, what systemd is told, which is that the
// server is ready, reloading, stopping or alive (sd_notify(3)), the priority of log lines (sd-daemon(3)), and the socket that systemd
// has opened (sd_listen_fds(3)). It must not know what these states mean for the server, nor the format of the log. Without a service
// manager it does nothing.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier sends notifications to the service manager in the environment (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID). It is safe
// for concurrent use. Errors are only logged.
type Notifier struct {
	// Set by New, never changed.
	send func(state string) error
	log  *slog.Logger

	// Guarded by mu. Everything is sent under mu, since the order matters to the service manager.
	mu        sync.Mutex
	reloading int // reloads under way
	stopping  bool
}

// New returns a notifier.
func New(log *slog.Logger) *Notifier {
	return &Notifier{log: log, send: send}
}

// sendTimeout is how long send waits for a service manager that does not read. After that the message is lost.
const sendTimeout = time.Second

// send sends a message to the service manager, if there is one. Each message has its own connection, since the manager may be
// restarted. The library's function would block while the manager does not read.
func send(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	err = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err == nil {
		_, err = conn.Write([]byte(state))
	}
	return errors.Join(err, conn.Close())
}

// Ready notifies that the server accepts clients.
func (n *Notifier) Ready(status string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notify(daemon.SdNotifyReady, statusLine(status))
}

// Reloading notifies that a reload has begun. done must be called once, when the reload has ended, successful or not. Of several
// concurrent reloads, only the begin of the first and the end of the last are notified.
func (n *Notifier) Reloading() (done func(status string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reloading++; n.reloading == 1 && !n.stopping {
		n.notify(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), statusLine("reloading"))
	}
	return func(status string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.reloading--; n.reloading == 0 && !n.stopping {
			n.notify(daemon.SdNotifyReady, statusLine(status))
		}
	}
}

// Stopping notifies that the server stops, and may take as long as allowed, even if the service manager's own limit is shorter.
// After that only watchdog notifications are sent.
func (n *Notifier) Stopping(allowed time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopping = true
	n.notify(daemon.SdNotifyStopping, "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(allowed.Microseconds(), 10), statusLine("stopping"))
}

// Watch calls responds twice per watchdog interval of the service manager, and sends a watchdog notification each time it returns
// nil, until ctx ends. Without a watchdog it returns at once.
func (n *Notifier) Watch(ctx context.Context, responds func(ctx context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("notify: watchdog disabled", "error", err)
	}
	if interval <= 0 {
		return
	}
	ticker := time.NewTicker(max(interval/2, 1))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if responds(ctx) == nil {
			n.mu.Lock()
			n.notify(daemon.SdNotifyWatchdog)
			n.mu.Unlock()
		}
	}
}

// notify sends assignments as one message. The caller holds mu.
func (n *Notifier) notify(assignments ...string) {
	if err := n.send(strings.Join(assignments, "\n")); err != nil {
		n.log.Warn("notify: the service manager was not notified", "error", err)
	}
}

// statusLine returns the assignment of the text that systemctl status shows, which must be one line.
func statusLine(text string) string {
	return "STATUS=" + strings.Join(strings.Fields(text), " ")
}
