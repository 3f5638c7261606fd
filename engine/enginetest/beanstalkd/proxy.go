package beanstalkd

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy forwards connections to a server. It cuts them on demand, and knows which of the jobs that a worker reserved through it the
// worker has ended.
type Proxy struct {
	// Address is where it listens.
	Address string

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu sync.Mutex
	// Guarded by mu.
	conns    map[net.Conn]bool // both sides of each connection
	accepted int
	closed   bool
	ended    map[string]bool // bodies of the jobs that were deleted or buried
}

// NewProxy returns a proxy for a server. It is closed when the test ends.
func NewProxy(tb testing.TB, s *Server) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening takes no time
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), target: s.Address, listener: l, conns: map[net.Conn]bool{}, ended: map[string]bool{}}
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Cut resets all connections and returns how many there were.
func (p *Proxy) Cut() int {
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

// Accepted returns how many connections there have been.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Ended reports whether a worker has sent the command to delete or bury a job with this body. If a job is gone without that, then
// beanstalkd has lost it by itself: to move a job from its oldest file to its newest, version 1.12 removes the former before it writes
// the latter (moveone in its walg.c), so that a kill in between loses a job that was confirmed.
func (p *Proxy) Ended(body string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended[body]
}

func (p *Proxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", p.target) //nolint:noctx // a local connection takes no time
		if err != nil {
			_ = from.Close()
			continue
		}
		p.mu.Lock()
		closed := p.closed
		p.accepted++
		p.conns[from], p.conns[to] = true, true
		p.mu.Unlock()
		if closed {
			p.Cut()
		}
		r := &reservations{proxy: p, bodies: map[string]string{}}
		p.running.Go(func() { p.forward(from, to, r.command) })
		p.running.Go(func() { p.forward(to, from, r.answer) })
	}
}

// forward copies until one side is closed, and closes the other. It calls read with what was not read so far; read returns the rest.
func (p *Proxy) forward(from, to net.Conn, read func(unread []byte) []byte) {
	_, _ = io.Copy(io.MultiWriter(&reader{read: read}, to), from)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{from, to} {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// reader calls read with all bytes that it has not read.
type reader struct {
	unread []byte
	read   func(unread []byte) []byte
}

// Write implements io.Writer.
func (r *reader) Write(b []byte) (int, error) {
	r.unread = r.read(append(r.unread, b...))
	return len(b), nil
}

// reservations are the jobs of one connection.
type reservations struct {
	proxy  *Proxy
	bodies map[string]string // by ID; guarded by proxy.mu
}

// answer reads the answers of a server.
func (r *reservations) answer(unread []byte) []byte {
	for {
		line, rest, ok := bytes.Cut(unread, []byte("\r\n"))
		if !ok {
			return unread
		}
		var id string
		var size int
		if n, _ := fmt.Sscanf(string(line), "RESERVED %s %d", &id, &size); n == 2 {
			end := size + len("\r\n")
			if len(rest) < end {
				return unread
			}
			r.proxy.mu.Lock()
			r.bodies[id] = string(rest[:size])
			r.proxy.mu.Unlock()
			rest = rest[end:]
		}
		unread = rest
	}
}

// command reads the commands of a client.
func (r *reservations) command(unread []byte) []byte {
	for {
		line, rest, ok := bytes.Cut(unread, []byte("\r\n"))
		if !ok {
			return unread
		}
		unread = rest
		word, id, _ := bytes.Cut(line, []byte(" "))
		id, _, _ = bytes.Cut(id, []byte(" "))
		if name := string(word); name == "delete" || name == "bury" {
			r.proxy.mu.Lock()
			if body, reserved := r.bodies[string(id)]; reserved {
				r.proxy.ended[body] = true
			}
			r.proxy.mu.Unlock()
		}
	}
}
