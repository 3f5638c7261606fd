package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
	"perigee/engine/testkit"
)

// roaming is a manager that answers the messages of each client, checks that they come once and in order, and publishes to everybody
// and to topics.
const roaming = `
local base = require("manager")
local server = require("server")
local app = base:extend()
local stats

function app:boot()
  base.boot(self)
  stats = server.state("stats", { taken = 0, closed = 0, incomplete = 0, wrong = 0 })
  self.topics = {}
  for i = 1, 5 do
    self.topics[i] = server.register("part " .. i)
  end
  server.message("Echo", { protection = "none" }, function(client, message)
    stats.taken = stats.taken + 1
    client.last = (client.last or 0) + 1
    if message.n ~= client.last then
      stats.wrong = stats.wrong + 1
    end
    client:send("Echoed", { n = message.n })
  end)
  server.message("Stats", { protection = "none" }, function(client)
    client:send("Stats", stats)
  end)
  local n = 0
  server.every(50, function()
    n = n + 1
    server.broadcast("Ticked", { n = n, text = ("x"):rep(300 * (n % 3)) })
    for _, topic in ipairs(self.topics) do
      topic:send("Published", { n = n })
    end
  end)
end

function app:open(client)
  self.topics[1 + client.resource_id % 5]:subscribe(client)
end

function app:resume(_, complete)
  if not complete then
    stats.incomplete = stats.incomplete + 1
  end
end

function app:close()
  stats.closed = stats.closed + 1
end

function app:roster()
  return nil
end

return app
`

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
	t      *testing.T
	url    string
	number int
	random *rand.Rand

	testkit.Resumption
	next map[string]int // number that the next frame with a name must have

	mu sync.Mutex
	// Guarded by mu.
	sent   int // messages, on all sockets
	echoed int
}

// window is how many messages of a roamer may be on their way.
const window = 8

// errorf reports what has gone wrong for the client.
func (r *roamer) errorf(format string, arguments ...any) {
	r.t.Helper()
	r.t.Errorf("client %d, which has received %d frames: %s", r.number, r.Received, fmt.Sprintf(format, arguments...))
}

// run loses some sockets, and then waits for the answers to its last messages.
func (r *roamer) run(cuts int) {
	for range cuts {
		if r.session(1+r.random.IntN(8000), math.MaxInt); r.t.Failed() {
			return
		}
	}
	r.mu.Lock()
	last := r.sent + 2*window
	r.mu.Unlock()
	r.session(math.MaxInt, last)
	if r.echoed != last {
		r.errorf("%d of %d messages were answered", r.echoed, last)
	}
}

// session connects, and sends and receives until the socket has had its bytes or the last message is answered. A client whose first
// socket fails before it has a token is new on the next one.
func (r *roamer) session(bytes, last int) {
	var flaky *flakyConn
	dialer := websocket.Dialer{
		NetDial: func(network, address string) (net.Conn, error) {
			conn, err := net.Dial(network, address)
			if tcp, ok := conn.(*net.TCPConn); ok {
				flaky = &flakyConn{TCPConn: tcp, fails: failure(r.random.IntN(int(failures))), left: bytes}
				return flaky, nil
			}
			return nil, err
		},
		EnableCompression: r.random.IntN(2) == 0,
		Subprotocols:      r.Protocols(),
	}
	ws, response, err := dialer.Dial(r.url, nil)
	if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		r.errorf("the handshake was answered with %s", response.Status)
	}
	if flaky != nil {
		r.t.Cleanup(func() { _ = flaky.TCPConn.Close() }) // the server has not noticed every failure
	}
	if err != nil {
		return
	}
	r.exchange(ws, last)
	_ = ws.Close() // the server sees that the socket fails, unless it is not to notice
}

// frame is what a roamer receives.
type frame struct {
	Name string
	N    int
}

// exchange sends and receives until the socket fails or the last message is answered.
func (r *roamer) exchange(ws *websocket.Conn, last int) {
	var writing sync.WaitGroup
	defer writing.Wait()
	wake := make(chan struct{}, 1) // a message may be sent; closed by the reader
	defer close(wake)
	for begun := false; ; begun = true {
		_ = ws.SetReadDeadline(time.Now().Add(testkit.Timeout)) // if this fails, reading does
		_, text, err := ws.ReadMessage()
		var f frame
		if err == nil && json.Unmarshal(text, &f) != nil {
			r.errorf("%q came", text)
		}
		switch {
		case err != nil:
			return
		case begun:
			r.take(f)
		default:
			message := r.begin(text)
			writing.Go(func() { r.write(ws, message, last, wake) })
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

// begin takes the first frame of a socket, and returns the message to send first.
func (r *roamer) begin(text []byte) (message int) {
	taken, err := r.Begin(text)
	if err != nil {
		r.errorf("%v", err)
	}
	return taken + 1
}

// take takes a frame that counts.
func (r *roamer) take(f frame) {
	r.Received++
	if f.N == 0 {
		return
	}
	if want, known := r.next[f.Name]; known && f.N != want {
		r.errorf("%s %d came, want number %d", f.Name, f.N, want)
	}
	r.next[f.Name] = f.N + 1
	if f.Name == "Echoed" {
		r.mu.Lock()
		r.echoed++
		r.mu.Unlock()
	}
}

// write sends messages, first those again that the server has not taken, as long as few are unanswered.
func (r *roamer) write(ws *websocket.Conn, message, last int, wake <-chan struct{}) {
	for ; message <= last; message++ {
		for !r.maySend(message) {
			if _, ok := <-wake; !ok {
				return
			}
		}
		if ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"name":"Echo","n":%d}`, message)) != nil {
			return
		}
	}
}

// maySend reports whether a message may be sent, and notes that it is.
func (r *roamer) maySend(message int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if message > r.sent && r.sent >= r.echoed+window {
		return false
	}
	r.sent = max(r.sent, message)
	return true
}

// However often and wherever the sockets of clients are cut, while they send and everybody is sent to, nothing is lost, doubled or out
// of order in either direction, and no connection ends.
func TestCuts(t *testing.T) {
	clients, cuts := testkit.Scale(20, 500), testkit.Scale(10, 20)
	s := newFolder(t, roaming).serve(func(c *config.Config) {
		c.Server.MaxConnections = 0
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000
		c.Limits.Shards = 3
		c.Resume.Lost = config.Duration(time.Hour) // machines stand still, and the test is not about that
	})
	var running sync.WaitGroup
	for i := range clients {
		r := &roamer{t: t, url: s.Socket, number: i, next: map[string]int{"Echoed": 1}, random: rand.New(rand.NewPCG(uint64(i), 0))}
		running.Go(func() { r.run(cuts) })
	}
	running.Wait()
	watcher := s.Open(t, "watcher", nil)
	watcher.Send(`{"name":"Stats"}`)
	stats := watcher.Next()
	for stats.Name() != "Stats" {
		stats = watcher.Next()
	}
	if stats["wrong"] != 0.0 || stats["closed"] != 0.0 || stats["incomplete"] != 0.0 {
		t.Errorf("the server counted %v, want no message that is wrong, no connection closed, none incomplete", stats)
	}
	if t.Failed() {
		return
	}
	testkit.Measured(t, "%d clients x %d cuts at any byte, %v messages answered while everybody is sent to: 0 lost, 0 doubled, 0 out of order", clients, cuts, stats["taken"])
}
