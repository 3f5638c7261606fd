// Package notify tells a service manager how the server is: ready, reloading, stopping, alive (sd_notify(3)). It does not know
// what these mean for the server; where no service manager listens, it says nothing.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier speaks to the service manager that the environment names (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID). Any goroutine
// may call its methods; what it has to say never fails the server.
type Notifier struct {
	// Set by New, never changed.
	send func(state string) error
	log  *slog.Logger

	// Guarded by mu, under which everything is sent: the order is what the service manager goes by.
	mu        sync.Mutex
	reloading int // reloads under way
	stopping  bool
}

// New returns a notifier.
func New(log *slog.Logger) *Notifier {
	return &Notifier{log: log, send: send}
}

// patience is how long a service manager may take to have room for a message; what it does not take is lost.
const patience = time.Second

// send sends a message to the service manager, if there is one. Each has a connection of its own: a manager may be started
// anew. The library's own function waits for as long as the manager does not read.
func send(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	err = conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = conn.Write([]byte(state))
	}
	return errors.Join(err, conn.Close())
}

// Ready says that clients are welcome.
func (n *Notifier) Ready(status string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tell(daemon.SdNotifyReady, statusLine(status))
}

// Reloading says that a reload has begun; done, which is called once, that it is over, whatever came of it. Of several reloads
// at once the first begins and the last is over.
func (n *Notifier) Reloading() (done func(status string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reloading++; n.reloading == 1 && !n.stopping {
		n.tell(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), statusLine("reloading"))
	}
	return func(status string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.reloading--; n.reloading == 0 && !n.stopping {
			n.tell(daemon.SdNotifyReady, statusLine(status))
		}
	}
}

// Stopping says that the end has begun; nothing but signs of life comes after it.
func (n *Notifier) Stopping() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopping = true
	n.tell(daemon.SdNotifyStopping, statusLine("stopping"))
}

// Watch gives a sign of life each time that responds returns nil, twice as often as the service manager wants one, until ctx
// ends; where it wants none, Watch returns at once.
func (n *Notifier) Watch(ctx context.Context, responds func(ctx context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("notify: no signs of life", "error", err)
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
			n.tell(daemon.SdNotifyWatchdog)
			n.mu.Unlock()
		}
	}
}

// tell sends assignments as one message; mu is held.
func (n *Notifier) tell(assignments ...string) {
	if err := n.send(strings.Join(assignments, "\n")); err != nil {
		n.log.Warn("notify: telling the service manager", "error", err)
	}
}

// statusLine is what systemctl status shows; it takes one line.
func statusLine(text string) string {
	return fmt.Sprintf("STATUS=%s", strings.Join(strings.Fields(text), " "))
}
