package broker

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// Requests that must not become a connection get an HTTP answer that says why, and the handler is not called.
func TestRefusedRequests(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	for _, tt := range []struct {
		name    string
		request string
		status  int
		header  string // that must be there: "Name: value"
	}{
		{"plain", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 426, "Upgrade: websocket"},
		{"another method", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405, "Allow: GET"},
		{"another version", handshakeWith("Version: 13", "Version: 12"), 400, "Sec-Websocket-Version: 13"},
		{"no key", handshakeWith("Sec-WebSocket-Key", "X-Key"), 400, ""},
		{"a short key", handshakeWith("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400, ""},
		{"two keys", handshakeWith("Upgrade:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUpgrade:"), 400, ""},
		{"a body", handshakeWith("Upgrade:", "Content-Length: 5\r\nUpgrade:") + "hello", 400, ""},
		{"a body in chunks", handshakeWith("Upgrade:", "Transfer-Encoding: chunked\r\nUpgrade:") + "0\r\n\r\n", 400, ""},
		{"a foreign host", handshakeWith("localhost", "evil.example"), 421, ""},
		{"a foreign origin", handshakeWith("Upgrade:", "Origin: http://evil.example\r\nUpgrade:"), 403, ""},
		{"a foreign host before a foreign origin", handshakeWith("localhost", "evil.example\r\nOrigin: http://evil.test"), 421, ""},
	} {
		response := s.connect(t).http(tt.request)
		name, value, _ := strings.Cut(tt.header, ": ")
		if response.StatusCode != tt.status || response.Header.Get(name) != value {
			t.Errorf("%s: got %s with header %v, want %d with %q", tt.name, response.Status, response.Header, tt.status, tt.header)
		}
	}
	s.stop()
	if len(o.opens) != 0 || len(o.ends) != 0 || s.Count() != 0 {
		t.Errorf("Open was called %d times, Closed %d times, Count() = %d; want 0", len(o.opens), len(o.ends), s.Count())
	}
	refused := map[string]uint64{"handshake": 8, "host": 2, "origin": 1, "address": 0, "full": 0, "connect": 0, "stopping": 0}
	if got := s.Counts(); got.Opened != 0 || !maps.Equal(got.Refused, refused) {
		t.Errorf("Counts() = %+v, want none opened and these refused: %v", got, refused)
	}
}

func handshakeWith(old, replacement string) string {
	return strings.Replace(upgradeRequest("localhost"), old, replacement, 1)
}

// A handshake is answered as in the example of RFC 6455, 1.3, on any path, without extensions or subprotocols.
func TestHandshake(t *testing.T) {
	s := serve(t, nil, nil)
	request := strings.Replace(upgradeRequest("localhost"), "GET / ", "GET /any/path?x=1 ", 1)
	request = strings.Replace(request, "\r\n", "\r\nOrigin: http://localhost\r\nSec-WebSocket-Protocol: chat\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n", 1)
	response := s.connect(t).http(request)
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		response.Header.Get("Sec-WebSocket-Extensions") != "" || response.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Errorf("handshake: got %s with header %v", response.Status, response.Header)
	}
}

// A connection knows its peer and the time of its upgrade.
func TestConn(t *testing.T) {
	o := newObserver()
	proxies, err := auth.ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := serve(t, func(o *Options) {
		o.Proxies = proxies
		o.Now = func() time.Time { return at }
	}, o)
	s.dial(t, "X-Forwarded-For: 203.0.113.7")
	c := testkit.Receive(t, o.opens, "Open")
	if got := c.Peer().Addr.String(); got != "203.0.113.7" || c.Peer().Direct {
		t.Errorf("Peer() = %+v, want 203.0.113.7, not direct", c.Peer())
	}
	if !c.OpenedAt().Equal(at) {
		t.Errorf("OpenedAt() = %v, want %v", c.OpenedAt(), at)
	}
	s.dial(t)
	if other := testkit.Receive(t, o.opens, "Open"); other.ID() == c.ID() {
		t.Errorf("ID() = %d for two connections", c.ID())
	}
}

// The connections of one address are limited, and how fast it opens them; loopback addresses are not limited.
func TestAddressLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxies, err := auth.ParseProxies([]string{"127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		s := servePipes(t, func(o *Options) {
			o.Proxies = proxies
			o.Limits.ConnectionsPerIP = 3
			o.Limits.ConnectsPerSecondPerIP, o.Limits.ConnectsBurstPerIP = 1, 4
		}, nil)
		const one, two = "X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 203.0.113.8"
		first := s.dial(t, one)
		s.dial(t, one)
		s.dial(t, one)
		for _, want := range []string{"30", "1"} { // three at once; then four in a second
			response := s.connect(t).request(one)
			if response.StatusCode != 429 || response.Header.Get("Retry-After") != want {
				t.Errorf("one more: got %s, Retry-After %q, want 429, %q", response.Status, response.Header.Get("Retry-After"), want)
			}
		}
		s.dial(t, two)
		for range 6 {
			s.dial(t)
		}
		time.Sleep(time.Second)
		first.closes(1000, "")
		first.wantClose(wire.CloseNormal(""))
		first.wantEnd()
		synctest.Wait()
		s.dial(t, one)
		if got := s.Count(); got != 3+1+6 {
			t.Errorf("Count() = %d, want 10", got)
		}
		synctest.Wait()
		if got := s.Counts(); got.Opened != 11 || got.Refused["address"] != 2 || got.Closed["1000"] != 1 {
			t.Errorf("Counts() = %+v, want 11 opened, 2 refused for their address, and 1 closed with 1000", got)
		}
	})
}

// An untrusted proxy on this machine is logged once.
func TestUntrustedProxy(t *testing.T) {
	s := serve(t, nil, nil)
	s.dial(t, "X-Forwarded-For: 203.0.113.7")
	s.dial(t, "X-Forwarded-For: 203.0.113.7")
	if got := strings.Count(s.log.String(), "trusted_proxies"); got != 1 {
		t.Errorf("the log has %d warnings of trusted_proxies, want 1", got)
	}
}

// A request for a WebSocket from which a proxy dropped Upgrade or Connection is answered with 426, and logged once.
func TestProxyDropsUpgrade(t *testing.T) {
	s := serve(t, nil, nil)
	for _, request := range []string{
		handshakeWith("Upgrade: websocket\r\nConnection: Upgrade", "Connection: close"),
		handshakeWith("Connection: Upgrade", "Connection: close"),
		handshakeWith("Upgrade: websocket\r\n", ""),
	} {
		response := s.connect(t).http(request)
		if body, err := io.ReadAll(response.Body); response.StatusCode != 426 || !strings.Contains(string(body), "a proxy") || err != nil {
			t.Errorf("%q: got %s %q, %v, want 426 and that a proxy is the reason", request, response.Status, body, err)
		}
	}
	if log := s.log.String(); strings.Count(log, "WARN") != 1 || !strings.Contains(log, "proxy=127.0.0.1 ") || !strings.Contains(log, "proxy_set_header Upgrade") {
		t.Errorf("the log is %s, want one warning with the address of the proxy and the remedy", log)
	}
}

// If the server is full, a client is told so and closed with 1013; too many of them at once get 503. The handler does not
// see them, and new clients are accepted again after one has left.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, func(o *Options) { o.MaxConnections = 2 }, o)
		first := s.dial(t)
		s.dial(t)
		testkit.Receive(t, o.opens, "Open")
		testkit.Receive(t, o.opens, "Open")
		var refused []*client
		for range minRejecting {
			refused = append(refused, s.dial(t))
		}
		response := s.connect(t).request()
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || err != nil {
			t.Errorf("one more than can be told over WebSockets: got %s %q, %v, want 503 with Retry-After", response.Status, body, err)
		}
		for _, c := range refused {
			got, err := c.read()
			if err != nil || got.first != textFrame || !strings.Contains(got.payload, `"exception":"TooManyConnections"`) {
				t.Fatalf("read: got %#x %q, %v, want a MessageException TooManyConnections", got.first, got.payload, err)
			}
			c.wantClose(wire.CloseFull())
			c.closes(1013, "")
		}
		for _, c := range refused {
			c.wantEnd()
		}
		if len(o.opens) != 0 || len(o.ends) != 0 || s.Count() != 2 {
			t.Errorf("Open was called %d times, Closed %d times, Count() = %d; want 0, 0, 2", len(o.opens), len(o.ends), s.Count())
		}
		_ = first.Close()
		testkit.Receive(t, o.ends, "Closed")
		synctest.Wait()
		s.dial(t)
		testkit.Receive(t, o.opens, "Open")
		if got := s.Counts(); got.Opened != 3 || got.Refused["full"] != minRejecting+1 || got.Closed["1006"] != 1 {
			t.Errorf("Counts() = %+v, want 3 opened, %d refused since it is full, and 1 lost", got, minRejecting+1)
		}
	})
}

// A connection that does not come through the broker's listener is refused and not counted.
func TestForeignListener(t *testing.T) {
	s := serve(t, nil, nil)
	other := serve(t, nil, nil)
	_ = other
	recorder := &foreign{header: http.Header{}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.RemoteAddr = "127.0.0.1:1"
	for _, line := range strings.Split(upgradeRequest("localhost"), "\r\n")[2:] {
		if name, value, ok := strings.Cut(line, ": "); ok {
			request.Header.Set(name, value)
		}
	}
	s.ServeHTTP(recorder, request)
	if recorder.status != http.StatusInternalServerError || s.Count() != 0 {
		t.Errorf("a response that cannot be hijacked: got %d, Count() = %d, want 500, 0", recorder.status, s.Count())
	}
}

// foreign is a response that is no connection.
type foreign struct {
	header http.Header
	status int
}

func (f *foreign) Header() http.Header         { return f.header }
func (f *foreign) Write(p []byte) (int, error) { return len(p), nil }
func (f *foreign) WriteHeader(status int)      { f.status = status }
