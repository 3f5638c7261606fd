package broker

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// A client's messages reach the handler in order and whole, whatever their length and their fragments.
func TestMessages(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	c := s.dial(t)
	long := strings.Repeat("long ", 10_000)
	c.send(textFrame, "one")
	c.send(textFrame, "")
	c.send(textFrame, long)
	c.send(0x01, "in ")
	c.send(0x00, "")
	c.send(0x00, "three ")
	c.send(0x80, "parts")
	for _, want := range []string{"one", "", long, "in three parts"} {
		if got := testkit.Receive(t, o.messages, "message"); got != want {
			t.Errorf("Message: got %.40q, want %.40q", got, want)
		}
	}
}

// What a client must not send closes its connection with the code that the table of close codes has for it.
func TestRefusedMessages(t *testing.T) {
	limit := int64(config.Default().Limits.ReadLimit)
	large := strings.Repeat("x", int(limit)+1)
	for _, tt := range []struct {
		name string
		send func(c *client)
		want wire.Close
	}{
		{"binary", func(c *client) { c.send(0x82, "x") }, wire.CloseBinary()},
		{"binary in fragments", func(c *client) { c.send(0x02, "x"); c.send(0x80, "y") }, wire.CloseBinary()},
		{"not UTF-8", func(c *client) { c.send(textFrame, "\xff") }, wire.CloseInvalidUTF8()},
		{"too large", func(c *client) { c.send(textFrame, large) }, wire.CloseTooLarge(limit)},
		{"too large in fragments", func(c *client) {
			c.send(0x01, large[:limit/2])
			c.send(0x00, large[:limit/2])
			c.send(0x80, "x")
		}, wire.CloseTooLarge(limit)},
		{"length beyond 63 bits", func(c *client) {
			c.raw([]byte{textFrame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
		}, wire.CloseTooLarge(limit)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newObserver()
			s := serve(t, nil, o)
			c := s.dial(t)
			tt.send(c)
			c.wantClose(tt.want)
			c.closes(tt.want.Code, "")
			c.wantEnd()
			_ = c.Close() // as clients do at the end; the server waits a second for it
			if got := testkit.Receive(t, o.ends, "Closed"); got != tt.want {
				t.Errorf("Closed(%v), want %v", got, tt.want)
			}
			if len(o.messages) != 0 {
				t.Errorf("Message(%.40q) was called", <-o.messages)
			}
		})
	}
}

// A message of exactly the read limit is accepted.
func TestReadLimit(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	want := strings.Repeat("x", int(config.Default().Limits.ReadLimit))
	s.dial(t).send(textFrame, want)
	if got := testkit.Receive(t, o.messages, "message"); got != want {
		t.Errorf("Message: got %d bytes, want %d", len(got), len(want))
	}
}

// A message whose last fragment does not come in time closes the connection, whatever comes in between.
func TestMessageDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		began := time.Now()
		c.send(0x01, "begun")
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for {
				time.Sleep(time.Second)
				if _, err := c.Write(masked(0x00, nil)); err != nil {
					return
				}
			}
		}()
		c.wantClose(closeTooLong())
		took, deadline := time.Since(began), s.settings().Limits.MessageDeadline.Std()
		if took < deadline || took > deadline+2*time.Second {
			t.Errorf("the message was given up after %v, want %v and at most a tick or two", took, deadline)
		}
		if got := testkit.Receive(t, o.ends, "Closed"); got != closeTooLong() {
			t.Errorf("Closed(%v), want %v", got, closeTooLong())
		}
		_ = c.Close()
		<-stop
	})
}

// Messages over the rate are dropped, and the client is notified once a second. If it goes on, the connection is closed.
func TestMessageRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, func(o *Options) {
			o.Limits.MessagesPerSecond, o.Limits.MessagesBurst = 10, 5
		}, o)
		c := s.dial(t)
		for range 5 + 3 {
			c.send(textFrame, "x")
		}
		synctest.Wait()
		if got := len(o.messages); got != 5 {
			t.Errorf("of a burst of 8: got %d messages, want 5", got)
		}
		wantTooMany(t, c)

		time.Sleep(time.Second) // ten tokens come back, but the bucket holds only five
		for range 5 + 1 {
			c.send(textFrame, "x")
		}
		synctest.Wait()
		if got := len(o.messages); got != 10 {
			t.Errorf("after a second: got %d messages, want 10", got)
		}
		wantTooMany(t, c)

		for range 2 * 5 { // pings count too
			c.send(pingFrame, "")
		}
		c.wantClose(wire.CloseTooManyMessages())
		c.closes(1000, "")
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseTooManyMessages() {
			t.Errorf("Closed(%v), want %v", got, wire.CloseTooManyMessages())
		}
	})
}

func wantTooMany(t *testing.T, c *client) {
	t.Helper()
	got, err := c.read()
	if err != nil || got.first != textFrame || !strings.Contains(got.payload, `"exception":"TooManyMessages"`) ||
		!strings.Contains(got.payload, `"code":429`) {
		t.Fatalf("read: got %#x %q, %v, want a MessageException TooManyMessages 429", got.first, got.payload, err)
	}
}

// A client that sends more bytes a second than allowed is read more slowly, and no data is lost.
func TestByteRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, func(o *Options) {
			o.Limits.BytesPerSecond, o.Limits.BytesBurst = 10*config.KiB, 20*config.KiB
			o.Limits.MessagesPerSecond = 0
		}, o)
		c := s.dial(t)
		began := time.Now()
		const messages, size = 50, 1024
		for range messages {
			c.send(textFrame, strings.Repeat("x", size))
		}
		took := time.Since(began)
		// 50 KiB and a little, less the burst, at 10 KiB a second.
		if took < 2900*time.Millisecond || took > 4*time.Second {
			t.Errorf("50 KiB at 10 KiB/s with a burst of 20 KiB were read in %v, want about 3s", took)
		}
		for range messages {
			testkit.Receive(t, o.messages, "message")
		}
	})
}

// A ping is answered with its payload, also in the middle of a message.
func TestPing(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	c := s.dial(t)
	c.send(pingFrame, "are you there?")
	c.want(pongFrame, "are you there?")
	c.send(0x01, "mes")
	c.send(pingFrame, "")
	c.want(pongFrame, "")
	c.send(0x80, "sage")
	if got := testkit.Receive(t, o.messages, "message"); got != "message" {
		t.Errorf("Message: got %q, want %q", got, "message")
	}
}

// A client is pinged, first after half of the interval to all of it, and stays connected as long as it sends anything.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		began := time.Now()
		interval := s.settings().Limits.PingInterval.Std()
		c.want(pingFrame, "")
		if took := time.Since(began); took < interval/2 || took > interval+2*time.Second {
			t.Errorf("the first ping came after %v, want %v to %v", took, interval/2, interval)
		}
		c.send(pongFrame, "")
		for i := range 5 {
			began := time.Now()
			c.want(pingFrame, "")
			if took := time.Since(began); took < interval-2*time.Second || took > interval+2*time.Second {
				t.Errorf("ping %d came after %v, want %v", i, took, interval)
			}
			if i%2 == 0 {
				c.send(pongFrame, "")
			} else {
				c.send(textFrame, "I am here")
			}
		}
	})
}

// The connection of a client that does not answer a ping in time is aborted, with a close frame if possible.
func TestNoPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		c := s.dial(t)
		c.want(pingFrame, "")
		began := time.Now()
		c.wantEnd()
		wait := s.settings().Limits.PongWait.Std()
		if took := time.Since(began); took < wait || took > wait+2*time.Second {
			t.Errorf("the connection ended %v after the ping, want %v", took, wait)
		}
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseNoPong() {
			t.Errorf("Closed(%v), want %v", got, wire.CloseNoPong())
		}
	})
	o := newObserver()
	s := serve(t, func(o *Options) {
		o.Limits.PingInterval = config.Duration(20 * time.Millisecond)
		o.Limits.PongWait = config.Duration(40 * time.Millisecond)
	}, o)
	c := s.dial(t)
	c.want(pingFrame, "")
	c.wantClose(wire.CloseNoPong())
}

// While the handler keeps the reader busy pongs that are not read yet do not count as missing.
func TestPongBehindHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		o.message = func(Conn, []byte) { time.Sleep(5 * time.Minute) }
		s := servePipes(t, nil, o)
		c := s.dial(t)
		c.send(textFrame, "a lot of work")
		c.want(pingFrame, "")
		c.send(pongFrame, "") // is read after the handler has returned
		c.want(pingFrame, "")
	})
}

// A panic in the handler closes this connection with 1011, is logged with its stack, and affects no other connection.
func TestPanic(t *testing.T) {
	for _, method := range []string{"Open", "Message", "Closed"} {
		t.Run(method, func(t *testing.T) {
			o := newObserver()
			fail := func(at string, c Conn) {
				if at == method && c.ID()%2 == 1 {
					panic("at " + at)
				}
			}
			o.open = func(c Conn) { o.opens <- c; fail("Open", c) }
			o.message = func(c Conn, text []byte) { fail("Message", c); o.messages <- string(text) }
			o.closed = func(c Conn, why wire.Close) { o.ends <- why; fail("Closed", c) }
			s := serve(t, nil, o)
			bad := s.dial(t)
			testkit.Receive(t, o.opens, "Open")
			good := s.dial(t)
			want := wire.CloseInternal()
			if method == "Closed" {
				want = wire.Close{Code: 1000, Reason: "bye"}
				bad.closes(want.Code, want.Reason)
			} else {
				bad.send(textFrame, "bad")
			}
			bad.wantClose(want)
			bad.wantEnd()
			_ = bad.Close() // as clients do at the end; the server waits a second for it
			if got := testkit.Receive(t, o.ends, "Closed"); got != want {
				t.Errorf("Closed(%v), want %v", got, want)
			}
			good.send(textFrame, "good")
			if got := testkit.Receive(t, o.messages, "message"); got != "good" {
				t.Errorf("the other connection: Message(%q), want good", got)
			}
			s.stop()
			for _, want := range []string{"at " + method, "stack=", "read_test.go"} {
				if !strings.Contains(s.log.String(), want) {
					t.Errorf("the log has no %q", want)
				}
			}
			if got := s.Count(); got != 0 {
				t.Errorf("Count() = %d, want 0", got)
			}
		})
	}
}

// A handler that blocks delays its own client and no other.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		gate := make(chan struct{})
		o.message = func(c Conn, text []byte) {
			if c.ID() == 1 {
				<-gate
			}
			o.messages <- string(text)
		}
		s := servePipes(t, nil, o)
		held := s.dial(t)
		testkit.Receive(t, o.opens, "Open")
		other := s.dial(t)
		sent := make(chan struct{})
		go func() {
			held.send(textFrame, "held 1")
			held.send(textFrame, "held 2")
			close(sent)
		}()
		synctest.Wait()
		select {
		case <-sent:
			t.Error("a client could send a second message while its first was being handled")
		default:
		}
		other.send(textFrame, "other")
		got := []string{testkit.Receive(t, o.messages, "message")}
		close(gate)
		got = append(got, testkit.Receive(t, o.messages, "message"), testkit.Receive(t, o.messages, "message"))
		if want := []string{"other", "held 1", "held 2"}; !slices.Equal(got, want) {
			t.Errorf("messages: got %q, want %q", got, want)
		}
		<-sent
	})
}
