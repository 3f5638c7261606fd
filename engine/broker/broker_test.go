package broker

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/handshake"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// First bytes of frames.
const (
	textFrame  = outbox.TextFrame
	closeFrame = outbox.CloseFrame
	pingFrame  = outbox.PingFrame
	pongFrame  = outbox.PongFrame
)

// maxControl is the longest payload of a control frame, in bytes (RFC 6455, 5.5).
const maxControl = 125

// server is a broker behind an HTTP server.
type server struct {
	*Broker
	address string // of serve; "" of servePipes
	pipes   *pipes // of servePipes; nil of serve
	stop    func() // ends it and waits; may be called twice
	log     *record
}

// serve runs a broker on a free port, with the default limits as change alters them. A nil handler does nothing.
func serve(tb testing.TB, change func(o *Options), h Handler) *server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := run(tb, l, change, h)
	s.address = l.Addr().String()
	return s
}

// servePipes is serve without sockets of the system: nothing is buffered on the way, and in a bubble of synctest no time
// is lost.
func servePipes(tb testing.TB, change func(o *Options), h Handler) *server {
	tb.Helper()
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := run(tb, p, change, h)
	s.pipes = p
	return s
}

func run(tb testing.TB, l net.Listener, change func(o *Options), h Handler) *server {
	tb.Helper()
	o := Options{Limits: config.Default().Limits, Resume: config.Default().Resume}
	if change != nil {
		change(&o)
	}
	if h == nil {
		h = &handler{}
	}
	s := &server{log: &record{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Broker = New(o, h, log)
	front := &http.Server{
		Handler: s.Broker, ConnContext: s.ConnContext, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelInfo),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = front.Serve(s.Listener(l)) }) // ends with ErrServerClosed
	wg.Go(func() { s.Run(ctx) })
	s.stop = func() {
		_ = front.Close() // its connections are the broker's
		cancel()
		wg.Wait()
	}
	tb.Cleanup(func() {
		s.stop()
		if tb.Failed() {
			tb.Logf("the log:\n%s", s.log)
		}
	})
	return s
}

// record is a log that a test can read.
type record struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, line...)
	return len(line), nil
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.text)
}

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns  chan net.Conn // sent to by dial, received by Accept; never closed
	once   sync.Once
	closed chan struct{} // closed by Close
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// pipe is the server's end of a pipe. Its remote address is a loopback address.
type pipe struct{ net.Conn }

func (pipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// handler is a Handler of functions; those that are nil do nothing.
type handler struct {
	connect func(ctx context.Context, r *handshake.Request) *handshake.Refusal // optional
	open    func(c Conn)
	message func(c Conn, text []byte)
	closed  func(c Conn, why wire.Close)
}

var _ Handler = (*handler)(nil)

func (h *handler) WantsConnect() bool { return h.connect != nil }

func (h *handler) Connect(ctx context.Context, r *handshake.Request, _ auth.Peer) *handshake.Refusal {
	return h.connect(ctx, r)
}

func (h *handler) Open(c Conn) {
	if h.open != nil {
		h.open(c)
	}
}

func (h *handler) Message(c Conn, text []byte) {
	if h.message != nil {
		h.message(c, text)
	}
}

func (h *handler) Closed(c Conn, why wire.Close, _ End) {
	if h.closed != nil {
		h.closed(c, why)
	}
}

// observer is a handler that passes its calls on to a test.
type observer struct {
	handler
	opens    chan Conn
	messages chan string
	ends     chan wire.Close
}

func newObserver() *observer {
	o := &observer{
		opens:    make(chan Conn, 4096),
		messages: make(chan string, 4096),
		ends:     make(chan wire.Close, 4096),
	}
	o.open = func(c Conn) { o.opens <- c }
	o.message = func(_ Conn, text []byte) { o.messages <- string(text) }
	o.closed = func(_ Conn, why wire.Close) { o.ends <- why }
	return o
}

// client is a WebSocket client that sends and gets raw bytes.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

// connect opens a connection and sends nothing.
func (s *server) connect(tb testing.TB) *client {
	tb.Helper()
	var conn net.Conn
	if s.pipes != nil {
		ours, theirs := net.Pipe()
		select {
		case s.pipes.conns <- pipe{theirs}:
		case <-s.pipes.closed:
			tb.Fatal("dialling a server that has ended")
		}
		conn = ours
	} else {
		var dialer net.Dialer
		var err error
		if conn, err = dialer.DialContext(tb.Context(), "tcp", s.address); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() { _ = conn.Close() }) // it may have ended before
	return &client{Conn: conn, t: tb, in: bufio.NewReader(conn)}
}

// dial opens a WebSocket, with additional lines in the header of the request.
func (s *server) dial(tb testing.TB, lines ...string) *client {
	tb.Helper()
	c := s.connect(tb)
	if response := c.request(lines...); response.StatusCode != http.StatusSwitchingProtocols {
		tb.Fatalf("handshake: got %s, want 101", response.Status)
	}
	return c
}

// request asks for a WebSocket and returns the answer.
func (c *client) request(lines ...string) *http.Response {
	c.t.Helper()
	text := upgradeRequest("localhost")
	for _, line := range lines {
		text = strings.Replace(text, "\r\n", "\r\n"+line+"\r\n", 1)
	}
	return c.http(text)
}

// upgradeRequest is the request of a WebSocket client (RFC 6455, 1.2).
func upgradeRequest(host string) string {
	return "GET / HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// http sends a request and returns the answer.
func (c *client) http(request string) *http.Response {
	c.t.Helper()
	c.raw([]byte(request))
	c.deadline()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("answer to %q: %v", request, err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			c.t.Fatalf("body of the answer to %q: %v", request, err)
		}
		_ = response.Body.Close()
		response.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return response
}

// deadline limits the next read. If it fails, so does the read.
func (c *client) deadline() { _ = c.SetReadDeadline(time.Now().Add(testkit.Timeout)) }

// raw sends bytes; a server that has enough of them may be gone before the last.
func (c *client) raw(p []byte) { _, _ = c.Write(p) }

// send sends a masked frame.
func (c *client) send(first byte, payload string) { c.raw(masked(first, []byte(payload))) }

// unmasked is a frame as a server sends it.
func unmasked(first byte, payload []byte) []byte {
	frame := outbox.NewFrame(payload).Bytes()
	frame[0] = first
	return frame
}

// masked is a frame of a client (RFC 6455, 5.2 and 5.3).
func masked(first byte, payload []byte) []byte {
	frame := unmasked(first, payload)
	head := len(frame) - len(payload)
	key := [4]byte{1, 2, 3, 4}
	out := slices.Concat(frame[:head], key[:], frame[head:])
	out[1] |= 0x80
	for i := range payload {
		out[head+4+i] ^= key[i%4]
	}
	return out
}

// frame is a frame of the server.
type frame struct {
	first   byte
	payload string
}

// read returns the next frame, or the error that came in its place.
func (c *client) read() (frame, error) {
	c.deadline()
	first, payload, err := testkit.ReadFrame(c.in)
	return frame{first, payload}, err
}

// want reads a frame that must be as given.
func (c *client) want(first byte, payload string) {
	c.t.Helper()
	got, err := c.read()
	if err != nil || got != (frame{first, payload}) {
		c.t.Fatalf("read: got %#x %.80q, %v, want %#x %.80q", got.first, got.payload, err, first, payload)
	}
}

// wantClose reads the close frame, which must be as given, and the end.
func (c *client) wantClose(why wire.Close) {
	c.t.Helper()
	c.want(closeFrame, string(outbox.NewClose(why).Payload()))
}

// wantEnd reads the end of the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	if got, err := c.read(); err == nil {
		c.t.Fatalf("read: got %#x %.80q, want the end", got.first, got.payload)
	}
}

// closes sends a close frame.
func (c *client) closes(code int, reason string) {
	c.send(closeFrame, string(outbox.NewClose(wire.Close{Code: code, Reason: reason}).Payload()))
}
