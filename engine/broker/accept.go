package broker

import (
	"container/list"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"perigee/engine/platform"
)

const (
	// maxPending limits the connections that are accepted and not upgraded: handshakes and plain HTTP.
	maxPending = 1024
	// maxSilence is how long a pending connection may be silent before it can be closed in favour of another. A healthy
	// client sends its request together with the last packet of TCP's handshake.
	maxSilence = 50 * time.Millisecond

	// After an Accept that failed for lack of resources, the next one is tried after these pauses, doubling.
	minAcceptPause = 10 * time.Millisecond
	maxAcceptPause = time.Second
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
	pause := minAcceptPause
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			return l.admit(conn)
		}
		if !isTemporary(err) {
			return nil, err
		}
		if line := l.broker.throttle.Allow("accept", time.Now()); line.Allowed {
			l.broker.log.Warn("broker: accepting a connection failed", "error", err, "pause", pause, "suppressed", line.Suppressed)
		}
		select {
		case <-time.After(pause):
		case <-l.closed:
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// Close closes the listener but not its connections.
func (l *listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// isTemporary reports whether an error of accept(2) may be gone a little later.
func isTemporary(err error) bool {
	temporary := []error{platform.TooManyFiles, syscall.ENFILE, platform.NoBuffers, syscall.ENOMEM, platform.ConnectionAborted}
	return slices.ContainsFunc(temporary, func(t error) bool { return errors.Is(err, t) })
}

// admit returns the socket of a connection once fewer than maxPending are pending.
func (l *listener) admit(conn net.Conn) (net.Conn, error) {
	s := &socket{Conn: conn, broker: l.broker, acceptedAt: l.broker.now(), scanner: &requestScanner{}}
	p := l.broker.pending
	for !p.add(s) {
		if silent := p.oldestSilent(l.broker.now() - maxSilence); silent != nil {
			_ = silent.Close() // the connection is given up, whatever its close returns
			continue
		}
		select {
		case <-p.removed:
		case <-time.After(maxSilence):
		case <-l.closed:
			return nil, errors.Join(net.ErrClosed, conn.Close())
		}
	}
	return s, nil
}

// pendingSockets are the sockets that are accepted and not upgraded.
type pendingSockets struct {
	removed chan struct{} // capacity 1; sent to after a socket was removed; never closed

	mu      sync.Mutex
	sockets list.List // of *socket, oldest first; guarded by mu
}

// add adds a socket, and reports whether there was room for it.
func (p *pendingSockets) add(s *socket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets.Len() >= maxPending {
		return false
	}
	s.element = p.sockets.PushBack(s)
	return true
}

// remove removes a socket. It is idempotent.
func (p *pendingSockets) remove(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.element == nil {
		return
	}
	p.sockets.Remove(s.element)
	s.element = nil
	select {
	case p.removed <- struct{}{}:
	default:
	}
}

// oldestSilent returns the oldest socket, accepted before a time, whose client keeps the server waiting. It returns nil if
// there is none.
func (p *pendingSockets) oldestSilent(before time.Duration) *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.sockets.Front(); e != nil; e = e.Next() {
		s := e.Value.(*socket) //nolint:forcetypeassert // add adds nothing else
		if s.acceptedAt > before {
			return nil
		}
		if s.reading.Load() || s.writing.Load() {
			return s
		}
	}
	return nil
}
