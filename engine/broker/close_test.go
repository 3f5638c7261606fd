package broker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// A client's close is answered with its own code and reason, an empty one with 1000, and Closed is called once.
func TestClientCloses(t *testing.T) {
	for _, tt := range []struct {
		name         string
		send         func(c *client)
		answer, told wire.Close
	}{
		{"with a reason", func(c *client) { c.closes(1000, "bye") }, wire.CloseNormal("bye"), wire.CloseNormal("bye")},
		{"with a code of its own", func(c *client) { c.closes(4123, "") }, wire.Close{Code: 4123}, wire.Close{Code: 4123}},
		{"without a code", func(c *client) { c.send(closeFrame, "") }, wire.CloseNormal(""), wire.Close{Code: wire.CodeNoStatus}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newObserver()
			s := serve(t, nil, o)
			c := s.dial(t)
			tt.send(c)
			c.wantClose(tt.answer)
			c.wantEnd()
			if got := testkit.Receive(t, o.ends, "Closed"); got != tt.told {
				t.Errorf("Closed(%v), want %v", got, tt.told)
			}
			s.stop()
			if len(o.opens) != 1 || len(o.ends) != 0 {
				t.Errorf("Open was called %d times, Closed %d times, want once each", len(o.opens), 1+len(o.ends))
			}
		})
	}
}

// For a client that disconnects without a close frame, Closed is called with 1006.
func TestClientDisconnects(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	c := s.dial(t)
	c.send(0x01, "half a message")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseAbnormal() {
		t.Errorf("Closed(%v), want %v", got, wire.CloseAbnormal())
	}
}

// The server's close frame comes after the frames sent before it, and no frame follows it. The first of several closes counts.
// Frames of the client after it are ignored.
func TestServerCloses(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	c := s.dial(t)
	conn := testkit.Receive(t, o.opens, "Open")
	conn.Send(text("last words"))
	conn.Close(wire.Close{Code: 4000, Reason: "first"})
	conn.Send(text("too late"))
	conn.Close(wire.Close{Code: 4001, Reason: "second"})
	c.want(textFrame, "last words")
	c.wantClose(wire.Close{Code: 4000, Reason: "first"})
	c.send(textFrame, "unheard")
	c.closes(4000, "first")
	c.wantEnd()
	if got, want := testkit.Receive(t, o.ends, "Closed"), (wire.Close{Code: 4000, Reason: "first"}); got != want {
		t.Errorf("Closed(%v), want %v", got, want)
	}
	if len(o.messages) != 0 {
		t.Errorf("Message(%q) was called after Close", <-o.messages)
	}
}

// Codes that must not be sent become 1000, and reasons are clamped.
func TestCloseCodes(t *testing.T) {
	long := strings.Repeat("ä", 100)
	for _, tt := range []struct{ give, want wire.Close }{
		{wire.Close{}, wire.Close{Code: 1000}},
		{wire.Close{Code: 1006, Reason: "x"}, wire.Close{Code: 1000, Reason: "x"}},
		{wire.Close{Code: 70_000}, wire.Close{Code: 1000}},
		{wire.Close{Code: 4999, Reason: long}, wire.Close{Code: 4999, Reason: long[:122]}},
		{wire.Close{Code: 1012, Reason: "server restarting"}, wire.CloseRestart()},
	} {
		o := newObserver()
		s := serve(t, nil, o)
		c := s.dial(t)
		testkit.Receive(t, o.opens, "Open").Close(tt.give)
		c.wantClose(tt.want)
	}
}

// If a client does not answer the server's close, the connection ends after a second.
func TestNoAnswerToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		testkit.Receive(t, o.opens, "Open").Close(wire.CloseNormal("bye"))
		began := time.Now()
		c.wantClose(wire.CloseNormal("bye"))
		c.wantEnd()
		if took := time.Since(began); took != outbox.CloseTimeout {
			t.Errorf("the connection ended %v after the close frame, want %v", took, outbox.CloseTimeout)
		}
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseNormal("bye") {
			t.Errorf("Closed(%v), want 1000 bye", got)
		}
	})
}

// If a client goes on sending after the server's close, the connection ends before the second is over.
func TestFloodAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		testkit.Receive(t, o.opens, "Open").Close(wire.CloseNormal("bye"))
		began := time.Now()
		c.wantClose(wire.CloseNormal("bye"))
		synctest.Wait()
		sent := 0
		for {
			n, err := c.Write(masked(textFrame, []byte(strings.Repeat("x", 1000))))
			sent += n
			if err != nil {
				break
			}
		}
		if sent < maxAfterClose || sent > maxAfterClose+64<<10 {
			t.Errorf("%d bytes were accepted after the close frame, want %d and at most one read more", sent, maxAfterClose)
		}
		if took := time.Since(began); took >= outbox.CloseTimeout {
			t.Errorf("the connection ended %v after the close frame, want less than %v", took, outbox.CloseTimeout)
		}
		testkit.Receive(t, o.ends, "Closed")
	})
}

// A close that cannot be written because the client does not read ends the connection nevertheless.
func TestCloseBehindStuckQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		s.dial(t)
		conn := testkit.Receive(t, o.opens, "Open")
		conn.Send(text("never read"))
		conn.Close(wire.CloseNormal("bye"))
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseNormal("bye") {
			t.Errorf("Closed(%v), want 1000 bye", got)
		}
	})
}

// A client that closes while much is queued for it still gets all of it, and the answer to its close.
func TestCloseBehindQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		conn := testkit.Receive(t, o.opens, "Open")
		conn.Send(text("one"))
		conn.Send(text("two"))
		c.closes(1000, "bye")
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseNormal("bye") {
			t.Errorf("Closed(%v), want 1000 bye", got)
		}
		c.want(textFrame, "one")
		c.want(textFrame, "two")
		c.wantClose(wire.CloseNormal("bye"))
		c.wantEnd()
	})
}

// After the end of a connection its methods have no effect.
func TestAfterTheEnd(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	c := s.dial(t)
	conn := testkit.Receive(t, o.opens, "Open")
	_ = c.Close()
	testkit.Receive(t, o.ends, "Closed")
	conn.Send(text("x"))
	conn.SendLatest(text("x"))
	conn.Subscribe(1)
	s.Publish(1, text("x"))
	conn.Unsubscribe(1)
	conn.Close(wire.CloseNormal(""))
	other := s.dial(t)
	openSubscribed(t, o)
	s.Publish(subscribed, text("still here"))
	other.want(textFrame, "still here")
}
