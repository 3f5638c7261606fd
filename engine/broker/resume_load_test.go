package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/broker/outbox"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// Topics of the test.
const (
	everybody = outbox.TopicID(100)
	groups    = 5 // topics 1 to 5 have a part of the clients each
)

// echoes is a handler as an application is: it knows its clients by their tokens, answers messages, and goes on when they come back.
type echoes struct {
	t *testing.T

	mu sync.Mutex
	// Guarded by mu.
	clients map[string]*echoed
	ended   int // clients that have ended for good
}

// echoed is a client of echoes.
type echoed struct {
	conn   Conn
	last   int    // number that its last message had
	taken  uint64 // its messages that were handled
	before uint64 // of those, the ones that came on earlier sockets
}

var _ Handler = (*echoes)(nil)

func (e *echoes) Open(c Conn) {
	token, received := c.ResumeRequest().Token, c.ResumeRequest().Received
	e.mu.Lock()
	known := e.clients[token]
	if known == nil {
		e.clients[token] = &echoed{conn: c}
		c.Subscribe(everybody)
		c.Subscribe(outbox.TopicID(1 + len(e.clients)%groups))
		c.Send(outbox.NewFrame([]byte(first)))
		e.mu.Unlock()
		return
	}
	from := known.conn
	known.conn, known.before = c, known.taken
	taken := known.taken
	done := make(chan bool, 1)
	c.Resume(from, received, func(complete bool, sent uint64) *outbox.Frame {
		return outbox.NewFrame(fmt.Appendf(nil, "resumed %t %d %d", complete, sent, taken))
	}, func(complete bool) { done <- complete })
	e.mu.Unlock()
	if !<-done {
		e.t.Errorf("client %s, which has received %d frames, misses some", token, received)
	}
}

func (e *echoes) Message(c Conn, text []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.clients[c.ResumeRequest().Token]
	if known.conn != c {
		return // the client has come back elsewhere, and sends this again
	}
	known.taken = known.before + c.Heard()
	known.last++
	if got := string(text); got != fmt.Sprint("m ", known.last) {
		e.t.Errorf("client %s: message %q came, want message %d", c.ResumeRequest().Token, got, known.last)
	}
	c.Send(outbox.NewFrame(text))
}

func (e *echoes) Closed(c Conn, _ wire.Close, end End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clients[c.ResumeRequest().Token].conn == c && end == EndForGood {
		e.ended++
	}
}

// flakyConn is the socket of a client that fails after a number of bytes.
type flakyConn struct {
	*net.TCPConn
	fails failure

	mu   sync.Mutex
	left int // bytes until it fails; guarded by mu
}

// failure says how a socket fails.
type failure int

const (
	withReset failure = iota // the server gets a RST, which discards what is on its way
	withClose                // the server gets a FIN
	silently                 // the server does not notice before the client comes back
	failures
)

var errCut = errors.New("cut")

func (f *flakyConn) Read(p []byte) (int, error) {
	n, err := f.TCPConn.Read(p)
	return f.spend(n, err)
}

// Write writes a part of a frame if the socket fails there.
func (f *flakyConn) Write(p []byte) (int, error) {
	f.mu.Lock()
	some := p[:min(len(p), f.left)]
	f.mu.Unlock()
	return f.spend(f.TCPConn.Write(some))
}

// spend counts bytes, and returns how many of them the client may use.
func (f *flakyConn) spend(n int, err error) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, f.left)
	if f.left -= n; f.left > 0 || err != nil {
		return n, err
	}
	switch f.fails {
	case withReset:
		_ = f.SetLinger(0) // if this fails, it is a FIN
		_ = f.TCPConn.Close()
	case withClose:
		_ = f.TCPConn.Close()
	default:
		_ = f.TCPConn.SetReadDeadline(time.Now()) // ends a Read
	}
	return n, errCut
}

// SetReadDeadline does nothing after the failure, so that a Read has ended for good.
func (f *flakyConn) SetReadDeadline(at time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left <= 0 {
		return errCut
	}
	return f.TCPConn.SetReadDeadline(at)
}

// Close leaves a socket open whose failure the server is not to notice.
func (f *flakyConn) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left <= 0 && f.fails == silently {
		return nil
	}
	return f.TCPConn.Close()
}

// roamer is a client that loses its sockets and comes back. It numbers its messages, and checks that all frames come once and in
// order.
type roamer struct {
	t       *testing.T
	address string
	token   string
	random  *rand.Rand

	received int
	next     map[string]int // number that the next frame of a kind must have

	mu sync.Mutex
	// Guarded by mu.
	sent   int // messages, on all sockets
	echoed int
}

// window is how many messages of a roamer may be on their way.
const window = 8

// run loses some sockets, and then waits for the answers to its last messages.
func (r *roamer) run(cuts int) {
	for range cuts {
		conn := r.dial(1 + r.random.IntN(6000))
		if conn == nil {
			return
		}
		r.session(conn, 1<<30)
		defer conn.TCPConn.Close()
	}
	conn := r.dial(1 << 40)
	if conn == nil {
		return
	}
	r.mu.Lock()
	last := r.sent + 2*window
	r.mu.Unlock()
	r.session(conn, last)
	_ = conn.Close()
	if r.echoed != last {
		r.t.Errorf("client %s: %d of %d messages were answered", r.token, r.echoed, last)
	}
}

// dial connects, without a handshake.
func (r *roamer) dial(bytes int) *flakyConn {
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Error(err)
		return nil
	}
	return &flakyConn{TCPConn: conn.(*net.TCPConn), fails: failure(r.random.IntN(int(failures))), left: bytes}
}

// session sends and receives until the socket fails or the last message is answered.
func (r *roamer) session(conn *flakyConn, last int) {
	dialer := websocket.Dialer{
		NetDial: func(string, string) (net.Conn, error) { return conn, nil }, EnableCompression: r.random.IntN(2) == 0,
		Subprotocols: []string{resumableProtocol, resumeProtocol + r.token + "." + strconv.Itoa(r.received)},
	}
	ws, response, err := dialer.Dial("ws://"+r.address, nil)
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			r.t.Errorf("client %s: %s", r.token, response.Status)
		}
		return
	}
	defer ws.Close()
	var writing sync.WaitGroup
	defer writing.Wait()
	wake := make(chan struct{}, 1) // a message may be sent; closed by the reader
	defer close(wake)
	for begun := false; ; {
		_ = ws.SetReadDeadline(time.Now().Add(testkit.Timeout)) // if this fails, reading does
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if begun {
			r.take(string(text))
		} else {
			message := r.begin(string(text))
			writing.Go(func() { r.write(ws, message, last, wake) })
			begun = true
		}
		r.mu.Lock()
		done := r.echoed == last
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// first is the first frame of a connection.
const first = "new 1"

// begin takes the first frame of a socket, and returns the message to send first.
func (r *roamer) begin(text string) (message int) {
	if text == first {
		r.take(text)
		return 1
	}
	var complete bool
	var sent, taken int
	if _, err := fmt.Sscanf(text, "resumed %t %d %d", &complete, &sent, &taken); err != nil || sent != r.received {
		r.t.Errorf("client %s has received %d frames, and %q came first", r.token, r.received, text)
	}
	return taken + 1
}

// take takes a frame with a kind and a number.
func (r *roamer) take(text string) {
	r.received++
	kind, number, _ := strings.Cut(text, " ")
	number, _, _ = strings.Cut(number, " ")
	n, err := strconv.Atoi(number)
	if want, known := r.next[kind]; err != nil || known && n != want {
		r.t.Errorf("client %s: %.20q came, want number %d", r.token, text, want)
	}
	r.next[kind] = n + 1
	if kind == "m" {
		r.mu.Lock()
		r.echoed++
		r.mu.Unlock()
	}
}

// write sends messages, first those again that the server has not taken, as long as few are unanswered.
func (r *roamer) write(ws *websocket.Conn, message, last int, wake <-chan struct{}) {
	for ; message <= last; message++ {
		for {
			r.mu.Lock()
			may := message <= r.sent || r.sent < r.echoed+window
			if may {
				r.sent = max(r.sent, message)
			}
			r.mu.Unlock()
			if may {
				break
			}
			if _, ok := <-wake; !ok {
				return
			}
		}
		if ws.WriteMessage(websocket.TextMessage, fmt.Append(nil, "m ", message)) != nil {
			return
		}
	}
}

// However often and wherever the sockets of clients are cut, while they send and everybody is sent to, nothing is lost, doubled or out
// of order in either direction, and no connection ends.
func TestCuts(t *testing.T) {
	clients, cuts := testkit.Scale(20, 500), testkit.Scale(10, 20)
	e := &echoes{t: t, clients: map[string]*echoed{}}
	s := serve(t, func(o *Options) {
		o.Compression = true
		o.Limits.MessagesPerSecond, o.Limits.BytesPerSecond = 0, 0
		o.Limits.Shards = 3
	}, e)
	stop, publishing := make(chan struct{}), sync.WaitGroup{}
	publishing.Go(func() {
		for i := 1; ; i++ {
			e.mu.Lock() // as the loop does, which publishes and resumes
			s.Publish(everybody, outbox.NewFrame(fmt.Append(nil, "b ", i, strings.Repeat(" x", 100*(i%3)))))
			for topic := range outbox.TopicID(groups) {
				s.Publish(1+topic, outbox.NewFrame(fmt.Append(nil, "t ", i)))
			}
			e.mu.Unlock()
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	var running sync.WaitGroup
	for i := range clients {
		r := &roamer{
			t: t, address: s.address, token: token[:len(token)-4] + fmt.Sprintf("%03dA", i), next: map[string]int{"m": 1},
			random: rand.New(rand.NewPCG(uint64(i), 0)),
		}
		running.Go(func() { r.run(cuts) })
	}
	running.Wait()
	close(stop)
	publishing.Wait()
	e.mu.Lock()
	ended, taken, frames := e.ended, uint64(0), s.Counts()
	for _, c := range e.clients {
		taken += c.taken
	}
	e.mu.Unlock()
	if ended > clients { // each closes at the end
		t.Errorf("%d connections have ended for good, want those of %d clients", ended, clients)
	}
	testkit.Measured(t, "%d clients x %d cuts, %d sockets, %d messages answered: none lost, doubled or out of order", clients, cuts, frames.Opened, taken)
}
