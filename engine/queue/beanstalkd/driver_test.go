package beanstalkd

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// Without beanstalkd the worker logs that once, and works as soon as beanstalkd is started.
func TestNoServer(t *testing.T) {
	t.Parallel()
	address := testkit.ReservePort(t)
	var ran runCounter
	w := work(t, address, options(), ran.Job)
	testkit.WaitFor(t, "the first try", func() bool { return strings.Contains(w.Status().Reason, "refused") })
	since := w.Status().Since
	testkit.WaitFor(t, "some more", func() bool { return time.Since(since) > 500*time.Millisecond })
	if lines := w.log.about("queue:"); len(lines) != 1 || !strings.Contains(lines[0], "not reachable") {
		t.Errorf("log without beanstalkd: got %q, want one line that says so", lines)
	}
	if got := w.Status(); got.Connected {
		t.Errorf("Status without beanstalkd = %+v, want not connected", got)
	}
	s := beanstalkd.Start(t, beanstalkd.Options{Address: address})
	put(t, address, job("job"))
	testkit.WaitFor(t, "the job", func() bool { return w.Status().Done == 1 })
	if got := w.Status(); !got.Connected || got.Reason != "" {
		t.Errorf("Status with beanstalkd = %+v, want connected", got)
	}
	s.Drain(t)
	c := NewClient(address)
	defer c.Close()
	_, err := c.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte("late")})
	if !errors.Is(err, queue.ErrRefused) || !strings.Contains(err.Error(), "draining") {
		t.Errorf("Put to a beanstalkd that drains = %v, want %v that says so", err, queue.ErrRefused)
	}
}

// serve handles every connection by a function, until the test ends.
func serve(tb testing.TB, talk func(c net.Conn)) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { talk(c) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// The error about a server that is not beanstalkd contains what it sent, or that it sent nothing.
func TestWrongServer(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]string{
		"SSH-2.0-OpenSSH_9.2\r\n":        `is not beanstalkd: it sent "SSH-2.0-OpenSSH_9.2`,
		"HTTP/1.1 400 Bad Request\r\n":   `is not beanstalkd: it sent "HTTP/1.1 400 Bad Request`,
		"\x00\x01\x02":                   "the server closed the connection",
		strings.Repeat("a", 100_000):     "is not beanstalkd",
		"OK 99999999999\r\n":             "larger than accepted",
		"OK -7\r\n":                      "is not beanstalkd",
		"INSERTED 99999999999999999\r\n": "larger than accepted",
		"UNKNOWN_COMMAND\r\n":            "do not match",
	} {
		address := serve(t, func(c net.Conn) {
			_, _ = c.Write([]byte(says))
			buffer := make([]byte, 100)
			_, _ = c.Read(buffer)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = c.Read(buffer)
		})
		source, err := New(address, nil).Open(t.Context(), "default")
		if err == nil {
			source.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), address) {
			t.Errorf("Open of a service that says %.30q = %v, want an error with %q and the address", says, err, want)
		}
	}
	silent := serve(t, func(net.Conn) {})
	if _, err := New(silent, nil).Open(t.Context(), "default"); !errors.Is(err, errNoAnswer) {
		t.Errorf("Open of a service that says nothing = %v, want %v", err, errNoAnswer)
	}
}
