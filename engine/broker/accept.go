package broker

import (
	"container/list"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// maxWaiting bounds the connections that are accepted and not upgraded: handshakes and plain HTTP.
	maxWaiting = 1024
	// chance is how long a connection may be silent before it makes room for another. A client that is well sends its
	// request together with the last packet of TCP's handshake.
	chance = 50 * time.Millisecond

	// After an Accept that failed for want of something, the next one is tried after these pauses, doubling.
	shortestPause = 10 * time.Millisecond
	longestPause  = time.Second
)

// Listener wraps a listener for an http.Server that serves with the broker. At most 1,024 of its connections are not yet
// upgraded; beyond that, the oldest ones that keep the server waiting are closed. Accept waits, instead of failing, while
// the system is out of file descriptors or memory.
func (b *Broker) Listener(l net.Listener) net.Listener {
	return &listener{Listener: l, broker: b, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	broker *Broker

	close  sync.Once
	closed chan struct{} // closed by Close
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	pause := shortestPause
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			return l.admit(conn)
		}
		if !passes(err) {
			return nil, err
		}
		if line := l.broker.throttle.Allow("accept", time.Now()); line.Allowed {
			l.broker.log.Warn("broker: accepting a connection failed", "error", err, "pause", pause, "suppressed", line.Suppressed)
		}
		select {
		case <-time.After(pause):
		case <-l.closed:
		}
		pause = min(2*pause, longestPause)
	}
}

// Close closes the listener; its connections live on.
func (l *listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// passes tells whether an error of accept(2) may be gone a little later.
func passes(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// admit makes a socket of a connection once there is room for it.
func (l *listener) admit(conn net.Conn) (net.Conn, error) {
	s := &socket{Conn: conn, broker: l.broker, since: l.broker.now()}
	w := l.broker.waiting
	for !w.enter(s) {
		if silent := w.silent(l.broker.now() - chance); silent != nil {
			_ = silent.Close() // its own end, if it has any, comes to nothing
			continue
		}
		select {
		case <-w.room:
		case <-time.After(chance):
		case <-l.closed:
			return nil, errors.Join(net.ErrClosed, conn.Close())
		}
	}
	return s, nil
}

// waitingRoom holds the sockets that are accepted and not upgraded.
type waitingRoom struct {
	room chan struct{} // capacity 1; sent to when a socket has left; never closed

	mu      sync.Mutex
	sockets list.List // of *socket, oldest first; guarded by mu
}

func newWaitingRoom() *waitingRoom { return &waitingRoom{room: make(chan struct{}, 1)} }

// enter adds a socket unless the room is full.
func (w *waitingRoom) enter(s *socket) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sockets.Len() >= maxWaiting {
		return false
	}
	s.place = w.sockets.PushBack(s)
	return true
}

// leave takes a socket out. Twice is once.
func (w *waitingRoom) leave(s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.place == nil {
		return
	}
	w.sockets.Remove(s.place)
	s.place = nil
	select {
	case w.room <- struct{}{}:
	default:
	}
}

// silent returns the oldest socket, accepted before a time, whose client keeps the server waiting; nil where there is
// none.
func (w *waitingRoom) silent(before time.Duration) *socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := w.sockets.Front(); e != nil; e = e.Next() {
		s := e.Value.(*socket) //nolint:forcetypeassert // enter adds nothing else
		if s.since > before {
			return nil
		}
		if s.reading.Load() || s.writing.Load() {
			return s
		}
	}
	return nil
}
