package enginetest

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/testkit"
)

// DialResumable opens a connection to which the client can come back with Resume. It takes the first frames, ConnectionResumable and
// ConnectionEstablished.
func (s *Server) DialResumable(tb testing.TB, name string) *Client {
	tb.Helper()
	c := s.open(tb, name, nil, testkit.Resumption{}.Protocols()...)
	if c.Expect(testkit.ConnectionResumable); len(c.Token) < 32 {
		tb.Fatalf("%s has the token %q, want a longer one", name, c.Token)
	}
	c.setUUID(c.Expect("ConnectionEstablished"))
	return c
}

// Lose cuts the connection without closing it, and waits until the server has noticed.
func (s *Server) Lose(c *Client) {
	c.t.Helper()
	s.awaitLoss(c, func() { _ = c.socket.UnderlyingConn().Close() })
}

// Leave closes the connection as a browser does that leaves the page, and waits until the server has noticed.
func (s *Server) Leave(c *Client) {
	c.t.Helper()
	s.awaitLoss(c, func() { c.Close(websocket.CloseGoingAway, "") })
}

func (s *Server) awaitLoss(c *Client, lose func()) {
	c.t.Helper()
	away := s.Control.Away()
	lose()
	testkit.WaitFor(c.t, "the server to notice that "+c.name+" is away", func() bool { return s.Control.Away() > away })
}

// Resume has a client come back to its connection, whether or not the server has noticed the loss. A fresh one remembers only
// its token, as a page does that was loaded anew. The returned client goes on where c stopped.
func (s *Server) Resume(c *Client, fresh bool) *Client {
	c.t.Helper()
	_ = c.socket.UnderlyingConn().SetReadDeadline(time.Now()) // ends read; the server notices nothing. It may be closed already
	var unread []Frame
	for frame := range c.frames {
		unread = append(unread, frame)
	}
	known := testkit.Resumption{Token: c.Token, Received: c.received}
	if fresh {
		known.Received = -1
	}
	next := s.open(c.t, c.name, nil, known.Protocols()...)
	next.UUID, next.Where, next.Token = c.UUID, c.Where, c.Token
	if !fresh {
		next.unread, next.latest = append(c.unread, unread...), c.latest
	}
	return next
}
