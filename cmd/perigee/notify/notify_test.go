package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The service manager receives each notification as its own message, in order.
func TestOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	var log bytes.Buffer
	n := New(slog.New(slog.NewTextHandler(&log, nil)))
	n.Ready("generation 1")
	first := n.Reloading()
	second := n.Reloading()
	first("failed")
	second("failed:\n  scripts/a.lua:3")
	third := n.Reloading()
	n.Stopping(2 * time.Minute)
	third("generation 2")
	n.Reloading()("generation 3")
	for _, want := range []string{
		`READY=1\nSTATUS=generation 1`,
		`RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=reloading`,
		`READY=1\nSTATUS=failed: scripts/a.lua:3`,
		`RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=reloading`,
		`STOPPING=1\nEXTEND_TIMEOUT_USEC=120000000\nSTATUS=stopping`,
	} {
		text := make([]byte, 1024)
		length, err := manager.Read(text)
		if err != nil || !regexp.MustCompile("^"+want+"$").Match(text[:length]) {
			t.Errorf("the service manager receives %q, %v, want %s", text[:length], err, want)
		}
	}
	if err := manager.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if length, err := manager.Read(make([]byte, 1)); err == nil {
		t.Errorf("the service manager receives %d bytes after STOPPING=1, want nothing", length)
	}
	if log.Len() > 0 {
		t.Errorf("log = %s, want nothing", log.String())
	}
}

// Watchdog notifications are sent twice per interval, and not while the server does not respond.
func TestWatch(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var sent []string
		n := &Notifier{log: slog.New(slog.DiscardHandler), send: func(state string) error {
			sent = append(sent, state)
			return nil
		}}
		responding := make(chan error)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			n.Watch(ctx, func(context.Context) error { return <-responding })
		}()
		for i := range 3 {
			time.Sleep(15 * time.Second)
			synctest.Wait()
			if len(sent) != i {
				t.Errorf("notifications before the server has responded: %d, want %d", len(sent), i)
			}
			responding <- nil
			synctest.Wait()
		}
		time.Sleep(10 * time.Minute) // stuck
		synctest.Wait()
		if got := strings.Join(sent, " "); got != "WATCHDOG=1 WATCHDOG=1 WATCHDOG=1" {
			t.Errorf("notifications = %q, want three and none while the server is stuck", got)
		}
		responding <- errors.New("stopped")
		synctest.Wait()
		if len(sent) != 3 {
			t.Errorf("notifications after an error: %d, want none more", len(sent)-3)
		}
		stop()
		select {
		case <-ended:
		case responding <- nil: // a tick had come before the end
			<-ended
		}
	})
}

// Without a service manager nothing is sent or logged; errors are logged.
func TestNoServiceManager(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		t.Setenv(name, "")
	}
	var log bytes.Buffer
	n := New(slog.New(slog.NewTextHandler(&log, nil)))
	n.Ready("ready")
	n.Reloading()("reloaded")
	n.Watch(t.Context(), nil)
	n.Stopping(2 * time.Minute)
	if log.Len() > 0 {
		t.Errorf("log = %s, want nothing", log.String())
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	t.Setenv("WATCHDOG_USEC", "soon")
	n.Watch(t.Context(), nil)
	n.Ready("ready")
	if !strings.Contains(log.String(), "watchdog disabled") || !strings.Contains(log.String(), "the service manager was not notified") {
		t.Errorf("log = %s, want what went wrong, and no panic", log.String())
	}
}

// A service manager that does not read does not block: messages that its socket cannot hold are lost, with an error.
func TestFullSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	const most = 10_000 // messages that a socket keeps are far fewer
	for range most {
		if err = send("STATUS=" + strings.Repeat("x", 1000)); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("send to a full socket = %v, want %v", err, os.ErrDeadlineExceeded)
	}
}
