//go:build unix

package broker

import (
	"syscall"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// However many connections stay silent before the upgrade, a new client gets in.
func TestSilentConnections(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < 3*maxPending {
		t.Skipf("the limit of open files is %d, %v; this needs %d", files.Cur, err, 3*maxPending)
	}
	o := newObserver()
	s := serve(t, nil, o)
	silent := testkit.Scale(maxPending+100, 5000)
	for range silent {
		s.connect(t).raw([]byte("GET / HTTP/1.1\r\n"))
	}
	began := time.Now()
	c := s.dial(t)
	testkit.Receive(t, o.opens, "Open")
	c.send(textFrame, "made it")
	testkit.Receive(t, o.messages, "message")
	took := time.Since(began)
	s.pending.mu.Lock()
	defer s.pending.mu.Unlock()
	testkit.Measured(t, "%d half-open handshakes, %d kept: a new client gets in and is read in %v", silent, s.pending.sockets.Len(), took.Round(100*time.Microsecond))
	if got := s.pending.sockets.Len(); got > maxPending {
		t.Errorf("%d connections are pending, want at most %d", got, maxPending)
	}
}
