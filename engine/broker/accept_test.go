package broker

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a listener that fails a number of times and then has a connection, again and again.
type failing struct {
	err   error
	times int
	left  int
	conn  net.Conn
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", f.err)}
	}
	f.left = f.times
	return f.conn, nil
}

func (f *failing) Close() error   { return nil }
func (f *failing) Addr() net.Addr { return nil }

// A lack of file descriptors or memory makes Accept pause, from 10 ms doubling to a second, and is logged once a second.
func TestAcceptPauses(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		synctest.Test(t, func(t *testing.T) {
			log := &record{}
			b := New(Options{}, &handler{}, slog.New(slog.NewTextHandler(log, nil)))
			ours, theirs := net.Pipe()
			defer ours.Close()
			l := b.Listener(&failing{err: cause, times: 10, left: 10, conn: theirs})
			began := time.Now()
			conn, err := l.Accept()
			if err != nil {
				t.Fatalf("Accept after ten times %v: %v, want a connection", cause, err)
			}
			defer conn.Close()
			// 10 + 20 + 40 + ... + 640 ms, then three times 1 s.
			if took, want := time.Since(began), 1270*time.Millisecond+3*time.Second; took != want {
				t.Errorf("Accept after ten times %v took %v, want %v", cause, took, want)
			}
			if lines := strings.Count(log.String(), "\n"); lines < 3 || lines > 5 {
				t.Errorf("the log of 4 seconds has %d lines, want one a second:\n%s", lines, log)
			}
		})
	}
}

// Other errors of Accept are returned, and closing the listener ends a pause.
func TestAcceptFails(t *testing.T) {
	b := New(Options{}, &handler{}, slog.New(slog.DiscardHandler))
	l := b.Listener(&failing{err: syscall.EINVAL, left: 1})
	if _, err := l.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Accept = %v, want %v", err, syscall.EINVAL)
	}
	s := serve(t, nil, nil)
	s.stop()
	var dialer net.Dialer
	if conn, err := dialer.DialContext(t.Context(), "tcp", s.address); err == nil {
		_ = conn.Close()
		t.Error("after the end: a connection was accepted")
	}
}

// Closing the listener ends the wait for pending connections.
func TestPendingFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{}, &handler{}, slog.New(slog.DiscardHandler))
		ours, theirs := net.Pipe()
		defer ours.Close()
		l := b.Listener(&failing{conn: theirs})
		for i := range maxPending {
			if _, err := l.Accept(); err != nil {
				t.Fatalf("Accept %d = %v, want a connection", i, err)
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			done <- err
		}()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("Accept with maxPending pending = %v, want none", err)
		default:
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept of a closed listener = %v, want %v", err, net.ErrClosed)
		}
	})
}
