package enginetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/testkit"
)

// Frame is a message as a client sees it.
type Frame map[string]any

// Name returns the message's name.
func (f Frame) Name() string {
	name, _ := f["name"].(string)
	return name
}

// Client is a WebSocket client.
type Client struct {
	// UUID is the UUID in ConnectionEstablished.
	UUID string
	// Token is the newest one with which the client can come back to its connection; "" if it cannot.
	Token string
	// Where begins messages of failures. Optional: the line of a transcript.
	Where string

	t      testing.TB
	name   string
	socket *websocket.Conn
	frames chan Frame       // sent and closed by read
	unread []Frame          // of the socket before, to be taken first; owned by the test
	latest map[string]Frame // of those that come by the clock; owned by the test
	closed error            // what ended the connection; set before frames is closed

	received int // messages on all sockets of the connection; owned by read, until frames is closed
}

// Dial opens a connection and takes its first frame, which must be ConnectionEstablished.
func (s *Server) Dial(tb testing.TB, name string) *Client {
	tb.Helper()
	c := s.Open(tb, name, nil)
	first := c.Next()
	if first.Name() != "ConnectionEstablished" {
		tb.Fatalf("first frame to %s = %v, want ConnectionEstablished", name, first)
	}
	c.setUUID(first)
	return c
}

// setUUID takes the UUID out of ConnectionEstablished.
func (c *Client) setUUID(established Frame) {
	c.t.Helper()
	connection, _ := established["connection"].(map[string]any)
	if c.UUID, _ = connection["uuid"].(string); c.UUID == "" {
		c.t.Fatalf("%s < %v, want a uuid", c.name, established)
	}
}

// Open opens a connection with the given header fields and takes nothing from it.
func (s *Server) Open(tb testing.TB, name string, header http.Header) *Client {
	tb.Helper()
	return s.open(tb, name, header)
}

func (s *Server) open(tb testing.TB, name string, header http.Header, protocols ...string) *Client {
	tb.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: testkit.Timeout, Subprotocols: protocols}
	socket, response, err := dialer.DialContext(tb.Context(), s.Socket, header) //nolint:bodyclose // gorilla: the body of an upgrade need not be closed
	if err != nil {
		status := "no answer"
		if response != nil {
			status = response.Status
		}
		tb.Fatalf("opening a WebSocket for %s: %v (%s)", name, err, status)
	}
	c := &Client{t: tb, name: name, socket: socket, frames: make(chan Frame, 1024), latest: map[string]Frame{}}
	var reading sync.WaitGroup
	reading.Go(c.read)
	tb.Cleanup(func() {
		_ = socket.Close() // may have ended before
		reading.Wait()
	})
	return c
}

func (c *Client) read() {
	defer close(c.frames)
	for {
		_, text, err := c.socket.ReadMessage()
		if err != nil {
			c.closed = err
			return
		}
		var frame Frame
		if err := json.Unmarshal(text, &frame); err != nil {
			c.closed = fmt.Errorf("frame %q: %w", text, err)
			return
		}
		c.received++
		if frame.Name() == testkit.ConnectionResumed { // it does not count
			from, _ := frame["from"].(float64)
			c.received = int(from)
		}
		select {
		case c.frames <- frame:
		case <-time.After(testkit.Timeout):
			c.closed = errors.New("the test does not read its frames")
			return
		}
	}
}

// TrySend sends a text frame; the connection may be closed.
func (c *Client) TrySend(text string) error {
	return c.socket.WriteMessage(websocket.TextMessage, []byte(text))
}

// Send sends a text frame.
func (c *Client) Send(text string) {
	c.t.Helper()
	if err := c.TrySend(text); err != nil {
		c.t.Fatalf("%s%s > %s: %v", c.Where, c.name, text, err)
	}
}

// SendBinary sends a binary frame.
func (c *Client) SendBinary(data []byte) {
	c.t.Helper()
	if err := c.socket.WriteMessage(websocket.BinaryMessage, data); err != nil {
		c.t.Fatalf("%s%s > binary frame: %v", c.Where, c.name, err)
	}
}

// Close begins the closing handshake.
func (c *Client) Close(code int, reason string) {
	c.t.Helper()
	text := websocket.FormatCloseMessage(code, reason)
	if err := c.socket.WriteControl(websocket.CloseMessage, text, time.Now().Add(testkit.Timeout)); err != nil {
		c.t.Fatalf("%s%s closes: %v", c.Where, c.name, err)
	}
}

// Next returns the next frame, whatever it is.
func (c *Client) Next() Frame {
	c.t.Helper()
	if len(c.unread) > 0 {
		frame := c.unread[0]
		c.unread = c.unread[1:]
		return frame
	}
	select {
	case frame, ok := <-c.frames:
		if !ok {
			c.t.Fatalf("%s%s < connection ended: %v, want a frame", c.Where, c.name, c.closed)
		}
		if ComesByClock(frame.Name()) {
			c.latest[frame.Name()] = frame
		}
		if token, ok := frame["token"].(string); ok && (frame.Name() == testkit.ConnectionResumable || frame.Name() == testkit.ConnectionResumed) {
			c.Token = token
		}
		return frame
	case <-time.After(testkit.Timeout):
		c.t.Fatalf("%s%s < nothing, want a frame", c.Where, c.name)
	}
	return nil
}

// Expect returns the next frame, which must have that name. Frames that come by the clock, the roster and the uptime,
// are passed over.
func (c *Client) Expect(name string) Frame {
	c.t.Helper()
	for {
		frame := c.Next()
		if frame.Name() == name {
			return frame
		}
		if !ComesByClock(frame.Name()) {
			c.t.Fatalf("%s%s < %v, want %s", c.Where, c.name, frame, name)
		}
	}
}

// Eventually returns a frame that comes by the clock: the last one of that name that came, or a later one, as soon as one
// matches.
func (c *Client) Eventually(name string, matches func(f Frame) bool) Frame {
	c.t.Helper()
	for frame := c.latest[name]; ; frame = c.Next() {
		if frame.Name() == name && matches(frame) {
			return frame
		}
		if frame != nil && !ComesByClock(frame.Name()) {
			c.t.Fatalf("%s%s < %v, want %s", c.Where, c.name, frame, name)
		}
	}
}

// ComesByClock reports whether frames of that name are sent at certain times, not in answer to a message.
func ComesByClock(name string) bool {
	switch name {
	case "UpdateConnections", "ConnectionChanged", "ConnectionGone", "PresenceChanged", "CurrentUptime":
		return true
	}
	return false
}

// ExpectNothing proves that no frame is on its way to the client: the answer to a message that does not exist is next.
func (c *Client) ExpectNothing() {
	c.t.Helper()
	c.Send(`{"name":"IsAnythingOnItsWay"}`)
	if frame := c.Expect("MessageException"); frame["exception"] != "UnknownMessage" {
		c.t.Fatalf("%s%s < %v, want nothing", c.Where, c.name, frame)
	}
}

// ExpectClose waits for the end of the connection, skipping all frames before it, and returns the code and reason of the close
// frame; code 1006 if there was none.
func (c *Client) ExpectClose() (code int, reason string) {
	c.t.Helper()
	deadline := time.After(testkit.Timeout)
	for {
		select {
		case _, ok := <-c.frames:
			if ok {
				continue
			}
			if closed, ok := errors.AsType[*websocket.CloseError](c.closed); ok {
				return closed.Code, closed.Text
			}
			return websocket.CloseAbnormalClosure, ""
		case <-deadline:
			c.t.Fatalf("%s%s: the connection is still open, want it closed", c.Where, c.name)
		}
	}
}
