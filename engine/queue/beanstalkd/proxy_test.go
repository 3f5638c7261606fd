package beanstalkd

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy forwards connections, and cuts them on demand.
type proxy struct {
	// address is where it listens.
	address string

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	conns    map[net.Conn]bool // both sides of each connection
	accepted int
	ended    bool
}

// newProxy returns a proxy for an address. It is closed when the test ends.
func newProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), target: target, listener: l, conns: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.cut()
		p.running.Wait()
	})
	return p
}

// cut resets all connections and returns how many there were.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.conns) / 2
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so that Close sends RST
		}
		_ = c.Close()
		delete(p.conns, c)
	}
	return n
}

// acceptedCount returns how many connections there have been.
func (p *proxy) acceptedCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *proxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = from.Close()
			continue
		}
		p.mu.Lock()
		ended := p.ended
		p.accepted++
		p.conns[from], p.conns[to] = true, true
		p.mu.Unlock()
		if ended {
			p.cut()
		}
		p.running.Go(func() { p.forward(from, to) })
		p.running.Go(func() { p.forward(to, from) })
	}
}

// forward copies until one side is closed, and closes the other.
func (p *proxy) forward(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{from, to} {
		_ = c.Close()
		delete(p.conns, c)
	}
}
