package broker

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// token is a well-formed token.
var token = base64.RawURLEncoding.EncodeToString([]byte("it must be thirty-two bytes long"))

// The subprotocols of a handshake say whether its connection can be resumed, and which one it resumes. The server selects
// perigee.v1 if it is offered, and no other one.
func TestResumeRequest(t *testing.T) {
	const origin = "http://localhost"
	fresh := ResumeRequest{Resumable: true, Received: -1, Origin: origin}
	resume := func(received int64) ResumeRequest {
		return ResumeRequest{Resumable: true, Token: token, Received: received, Origin: origin}
	}
	o := newObserver()
	s := serve(t, nil, o)
	for _, tt := range []struct {
		offer string // a "|" separates two lines of the header
		want  ResumeRequest
	}{
		{"chat", ResumeRequest{}},
		{"perigee.v2, perigee.resume." + token + ".7", ResumeRequest{}},
		{"PERIGEE.V1", ResumeRequest{}},
		{"perigee.v1", fresh},
		{"chat, perigee.v1", fresh},
		{"perigee.v1, perigee.resume." + token + ".1234", resume(1234)},
		{"perigee.resume." + token + ".0,perigee.v1", resume(0)},
		{"perigee.v1|perigee.resume." + token + ".9223372036854775807", resume(1<<63 - 1)},
		{"perigee.v1, perigee.resume." + token + ".-", resume(-1)},
		{"perigee.v1, perigee.resume." + token + ".x, perigee.resume." + token + ".5", resume(5)},
		{"perigee.v1, perigee.resume." + token, fresh},
		{"perigee.v1, perigee.resume." + token + ".", fresh},
		{"perigee.v1, perigee.resume." + token + ".-1", fresh},
		{"perigee.v1, perigee.resume." + token + ".+1", fresh},
		{"perigee.v1, perigee.resume." + token + ".01", fresh},
		{"perigee.v1, perigee.resume." + token + ".9223372036854775808", fresh},
		{"perigee.v1, perigee.resume." + token + ".1.1", fresh},
		{"perigee.v1, perigee.resume." + token[1:] + ".1", fresh},
		{"perigee.v1, perigee.resume." + token + "A.1", fresh},
		{"perigee.v1, perigee.resume." + token[:42] + "+.1", fresh},
		{"perigee.v1, perigee.resume.", fresh},
	} {
		lines := []string{"Origin: " + origin}
		for line := range strings.SplitSeq(tt.offer, "|") {
			lines = append(lines, "Sec-WebSocket-Protocol: "+line)
		}
		response := s.connect(t).request(lines...)
		selected := ""
		if tt.want.Resumable {
			selected = resumableProtocol
		}
		if got := response.Header.Get(handshake.ProtocolHeader); response.StatusCode != http.StatusSwitchingProtocols || got != selected {
			t.Errorf("offer %q: got %s, selected %q, want 101, %q", tt.offer, response.Status, got, selected)
		}
		if got := testkit.Receive(t, o.opens, "Open").ResumeRequest(); got != tt.want {
			t.Errorf("offer %q: ResumeRequest() = %+v, want %+v", tt.offer, got, tt.want)
		}
	}
}

// A client that is told that the server is full has its subprotocol selected, without which browsers hide the close code.
func TestResumableFull(t *testing.T) {
	s := serve(t, func(o *Options) { o.MaxConnections = 1 }, nil)
	s.dial(t)
	response := s.connect(t).request("Sec-WebSocket-Protocol: perigee.v1")
	if got := response.Header.Get(handshake.ProtocolHeader); got != resumableProtocol {
		t.Errorf("selected %q, want %q", got, resumableProtocol)
	}
}

// FuzzResumeRequest reads any offer without a panic, and what it accepts is written the same way by a client.
func FuzzResumeRequest(f *testing.F) {
	for _, offer := range []string{"", "chat", "perigee.v1", "perigee.v1, perigee.resume." + token + ".12", "perigee.v1,perigee.resume." + token + ".-"} {
		f.Add(offer)
	}
	f.Fuzz(func(t *testing.T, offer string) {
		header := http.Header{}
		header.Set(handshake.ProtocolHeader, offer)
		r := readResumeRequest(header)
		switch {
		case !r.Resumable:
			if selectProtocol(offeredProtocols(header), nil) != "" {
				t.Errorf("offer %q: perigee.v1 is selected for a connection that cannot be resumed", offer)
			}
		case r.Token == "":
			if r != newResumable() {
				t.Errorf("offer %q: got %+v, want a new connection that can be resumed", offer, r)
			}
		default:
			count := fmt.Sprint(r.Received)
			if r.Received < 0 {
				count = "-"
			}
			if written := resumeProtocol + r.Token + "." + count; len(r.Token) != len(token) || !strings.Contains(offer, written) {
				t.Errorf("offer %q: got %+v, which a client writes as %q", offer, r, written)
			}
		}
	})
}

// Heard counts text messages, also those that the rate limit drops, and no control frames.
func TestHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		numbers := make(chan uint64, 10)
		o.message = func(c Conn, _ []byte) { numbers <- c.Heard() }
		s := servePipes(t, func(o *Options) { o.Limits.MessagesPerSecond, o.Limits.MessagesBurst = 1, 2 }, o)
		c := s.dial(t)
		c.send(textFrame, "1")
		c.send(textFrame, "2")
		c.send(textFrame, "3, which is dropped")
		synctest.Wait()
		conn := testkit.Receive(t, o.opens, "Open")
		if first, second := <-numbers, <-numbers; first != 1 || second != 2 || len(numbers) > 0 || conn.Heard() != 3 {
			t.Errorf("messages %d, %d, %d more, Heard() = %d, want 1, 2, none, 3", first, second, len(numbers), conn.Heard())
		}
	})
}

// A client can come back to its resumable connection unless one side has ended it on purpose.
func TestEnds(t *testing.T) {
	closeWith := func(code int) func(c *client, _ Conn) {
		return func(c *client, _ Conn) { c.closes(code, "") }
	}
	for _, tt := range []struct {
		name string
		end  func(c *client, conn Conn)
		want End
	}{
		{"the client closes", closeWith(1000), EndForGood},
		{"the client closes without a code", func(c *client, _ Conn) { c.send(closeFrame, "") }, EndForGood},
		{"the client closes with a code of its own", closeWith(4000), EndForGood},
		{"the page is left", closeWith(1001), EndLeft},
		{"the page is left, and the browser keeps it", closeWith(4410), EndLeft},
		{"a proxy restarts", closeWith(1012), EndLost},
		{"the socket fails", func(c *client, _ Conn) { _ = c.Close() }, EndLost},
		{"the application closes", func(_ *client, conn Conn) { conn.Close(wire.CloseNormal("")) }, EndForGood},
		{"the application closes with 1001", func(_ *client, conn Conn) { conn.Close(wire.CloseShutdown()) }, EndForGood},
		{"a violation of the protocol", func(c *client, _ Conn) { c.raw([]byte{0xf1, 0x80, 0, 0, 0, 0}) }, EndForGood},
		{"a binary message", func(c *client, _ Conn) { c.send(0x82, "x") }, EndForGood},
		{"a panic of the handler", func(c *client, _ Conn) { c.send(textFrame, "panic") }, EndLost},
	} {
		for _, resumable := range []bool{true, false} {
			o := newObserver()
			o.message = func(Conn, []byte) { panic("on a message") }
			ends := make(chan End, 1)
			s := serve(t, nil, &ending{o, ends})
			var lines []string
			if resumable {
				lines = []string{"Sec-WebSocket-Protocol: perigee.v1"}
			}
			c := s.dial(t, lines...)
			tt.end(c, testkit.Receive(t, o.opens, "Open"))
			_ = c.Close() // the server need not wait for an answer
			want := tt.want
			if !resumable {
				want = EndForGood
			}
			if got := testkit.Receive(t, ends, "Closed"); got != want {
				t.Errorf("%s, resumable %v: the end is %v, want %v", tt.name, resumable, got, want)
			}
			s.stop()
		}
	}
}

// ending is an observer that also passes on how connections end.
type ending struct {
	*observer
	leads chan End
}

func (e *ending) Closed(c Conn, why wire.Close, end End) {
	e.observer.Closed(c, why, end)
	e.leads <- end
}

// Connections that are away count neither for max_connections nor against new connections of their address. An address may have as
// many away as open; one more cannot be resumed.
func TestAwayLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxies, err := auth.ParseProxies([]string{"127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		o := &ending{newObserver(), make(chan End, 10)}
		s := servePipes(t, func(o *Options) {
			o.Proxies = proxies
			o.MaxConnections, o.Limits.ConnectionsPerIP = 2, 2
		}, o)
		lose := func(want ...End) (lost []Conn) {
			for _, end := range want {
				c := s.dial(t, "X-Forwarded-For: 203.0.113.7", "Sec-WebSocket-Protocol: perigee.v1")
				lost = append(lost, testkit.Receive(t, o.opens, "Open"))
				_ = c.Close()
				if got := testkit.Receive(t, o.leads, "Closed"); got != end {
					t.Errorf("connection %d of the address is lost: the end is %v, want %v", len(lost), got, end)
				}
				synctest.Wait()
			}
			return lost
		}
		lost := lose(EndLost, EndLost, EndForGood)
		if s.Count() != 0 {
			t.Errorf("Count() = %d while all are away, want 0", s.Count())
		}
		lost[0].Forget()
		lost[1].Close(wire.CloseNormal("")) // as an application does that does not care whether a client is away
		synctest.Wait()
		lose(EndLost, EndLost, EndForGood)
	})
}

// What is kept for a client that is away is not kept any longer once the application closes the connection. A connection that was
// restored is one as well.
func TestCloseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &ending{newObserver(), make(chan End, 10)}
		s := servePipes(t, nil, o)
		c := s.dial(t, "Sec-WebSocket-Protocol: perigee.v1")
		lost := testkit.Receive(t, o.opens, "Open")
		_ = c.Close()
		testkit.Receive(t, o.leads, "Closed")
		restored := s.Restore(auth.Peer{Addr: netip.MustParseAddr("192.0.2.1")}, time.Unix(7, 0), 3, nil)
		for _, conn := range []Conn{lost, restored} {
			before := conn.Sent()
			conn.Send(outbox.NewFrame([]byte("kept")))
			synctest.Wait()
			if sent, kept := conn.Sent(), s.Counts().Kept; sent != before+1 || kept == 0 {
				t.Errorf("after one frame to %d: Sent() = %d, %d bytes kept", conn.ID(), sent-before, kept)
			}
			conn.Close(wire.CloseNormal(""))
			synctest.Wait()
			if kept := s.Counts().Kept; kept != 0 {
				t.Errorf("after Close: %d bytes kept, want 0", kept)
			}
		}
		if restored.Peer().Addr.String() != "192.0.2.1" || !restored.OpenedAt().Equal(time.Unix(7, 0)) || !restored.ResumeRequest().Resumable {
			t.Errorf("the restored connection has peer %v and was opened at %v", restored.Peer(), restored.OpenedAt())
		}
	})
}
