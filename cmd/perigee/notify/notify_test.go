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

// A service manager hears everything as messages of their own, in the order in which it happens.
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
	n.Stopping()
	third("generation 2")
	n.Reloading()("generation 3")
	for _, want := range []string{
		`READY=1\nSTATUS=generation 1`,
		`RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=reloading`,
		`READY=1\nSTATUS=failed: scripts/a.lua:3`,
		`RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=reloading`,
		`STOPPING=1\nSTATUS=stopping`,
	} {
		text := make([]byte, 1024)
		length, err := manager.Read(text)
		if err != nil || !regexp.MustCompile("^"+want+"$").Match(text[:length]) {
			t.Errorf("the service manager hears %q, %v, want %s", text[:length], err, want)
		}
	}
	if err := manager.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if length, err := manager.Read(make([]byte, 1)); err == nil {
		t.Errorf("the service manager hears %d bytes after STOPPING=1, want nothing", length)
	}
	if log.Len() > 0 {
		t.Errorf("log = %s, want nothing", log.String())
	}
}

// Signs of life come twice in the time that the service manager grants, and none while the server does not respond.
func TestWatch(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var said []string
		n := &Notifier{log: slog.New(slog.DiscardHandler), send: func(state string) error {
			said = append(said, state)
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
			if len(said) != i {
				t.Errorf("signs of life before the server has responded: %d, want %d", len(said), i)
			}
			responding <- nil
			synctest.Wait()
		}
		time.Sleep(10 * time.Minute) // stuck
		synctest.Wait()
		if got := strings.Join(said, " "); got != "WATCHDOG=1 WATCHDOG=1 WATCHDOG=1" {
			t.Errorf("signs of life = %q, want three and none while the server is stuck", got)
		}
		responding <- errors.New("stopped")
		synctest.Wait()
		if len(said) != 3 {
			t.Errorf("signs of life after an error: %d, want none more", len(said)-3)
		}
		stop()
		select {
		case <-ended:
		case responding <- nil: // a tick had come before the end
			<-ended
		}
	})
}

// Where nobody wants to hear anything, nothing is said and nothing is wrong.
func TestNobody(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		t.Setenv(name, "")
	}
	var log bytes.Buffer
	n := New(slog.New(slog.NewTextHandler(&log, nil)))
	n.Ready("ready")
	n.Reloading()("reloaded")
	n.Watch(t.Context(), nil)
	n.Stopping()
	if log.Len() > 0 {
		t.Errorf("log = %s, want nothing", log.String())
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	t.Setenv("WATCHDOG_USEC", "soon")
	n.Watch(t.Context(), nil)
	n.Ready("ready")
	if !strings.Contains(log.String(), "no signs of life") || !strings.Contains(log.String(), "telling the service manager") {
		t.Errorf("log = %s, want what went wrong, and no panic", log.String())
	}
}

// A service manager that does not read holds nobody: what it has no room for is lost, and logged.
func TestUnread(t *testing.T) {
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
