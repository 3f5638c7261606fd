package broker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/handshake"
	"perigee/engine/wire"
)

// deciding is a handler that decides about requests.
func deciding(connect func(ctx context.Context, r *handshake.Request) *handshake.Refusal) *observer {
	o := newObserver()
	o.connect = connect
	return o
}

// requestFor is the request of a WebSocket client for a path.
func requestFor(path string) string {
	return strings.Replace(upgradeRequest("localhost"), "GET /", "GET "+path, 1)
}

// The handler sees the request before the upgrade. It accepts it, and then finds it with the connection, or refuses it with its own
// status and reason; a refused client is never opened, and does not count.
func TestConnect(t *testing.T) {
	o := deciding(func(_ context.Context, r *handshake.Request) *handshake.Refusal {
		switch r.Path() {
		case "/closed":
			return &handshake.Refusal{Status: http.StatusForbidden, Reason: "closed today"}
		case "/later":
			return &handshake.Refusal{Status: http.StatusTooManyRequests}
		}
		r.Admission = "admitted to " + r.Path()
		return nil
	})
	s := serve(t, nil, o)
	for path, want := range map[string]string{
		"/closed": "403 closed today retry=", "/later": "429 Too Many Requests retry=5",
	} {
		response := s.connect(t).http(requestFor(path))
		body, err := io.ReadAll(response.Body)
		if got := fmt.Sprintf("%d %s retry=%s", response.StatusCode, strings.TrimSpace(string(body)), response.Header.Get("Retry-After")); got != want || err != nil || !response.Close {
			t.Errorf("%s: answer %s, %v, closed %v, want %s and closed", path, got, err, response.Close, want)
		}
	}
	if response := s.connect(t).http(requestFor("/open?x=1")); response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("/open: status %d, want 101", response.StatusCode)
	}
	c := <-o.opens
	if r := c.Request(); r.Path() != "/open" || r.Query()["x"] != "1" || r.Admission != "admitted to /open" {
		t.Errorf("Request() = %v, want that of /open, with its admission", r)
	}
	if counts := s.Counts(); counts.Refused["connect"] != 2 || counts.Opened != 1 || s.Count() != 1 {
		t.Errorf("counts %+v, %d connections, want 2 refused and 1 open", counts, s.Count())
	}
}

// A client that can resume connections hears by a close code and the reason why the handler refuses it: a page in a browser never sees an
// HTTP status. It is never opened and does not count as a connection, and no more are told at once than are told that the server is full.
func TestConnectRefusesResumable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := &handshake.Refusal{}
		o := deciding(func(context.Context, *handshake.Request) *handshake.Refusal { return refusal })
		s := servePipes(t, nil, o)
		offer := "Sec-WebSocket-Protocol: perigee.v1, perigee.resume." + token + ".3"
		var told []*client
		for _, tt := range []struct {
			refusal handshake.Refusal
			want    wire.Close
		}{
			{handshake.Refusal{Status: 401, Reason: "sign in"}, wire.Close{Code: 4401, Reason: "sign in"}},
			{handshake.Refusal{Status: 403}, wire.Close{Code: 4403, Reason: "Forbidden"}},
			{handshake.Refusal{Status: 404, Reason: strings.Repeat("ö", 100)}, wire.Close{Code: 4404, Reason: strings.Repeat("ö", 61)}},
			{handshake.Refusal{Status: 429, Reason: "later"}, wire.Close{Code: 4429, Reason: "later"}},
			{handshake.Refusal{Status: 500, Reason: "broken"}, wire.Close{Code: 1011, Reason: "broken"}},
			{*handshake.Busy(), wire.Close{Code: 1013, Reason: "the server is busy"}},
		} {
			*refusal = tt.refusal
			c := s.connect(t)
			if response := c.request(offer); response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get(handshake.ProtocolHeader) != resumableProtocol {
				t.Fatalf("%v: answer %s, want an upgrade", tt.refusal, response.Status)
			}
			c.wantClose(tt.want)
			told = append(told, c)
		}
		for len(told) < minRejecting {
			told = append(told, s.connect(t))
			told[len(told)-1].request(offer)
		}
		if response := s.connect(t).request(offer); response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("one more than can be told over WebSockets: answer %s, want 503", response.Status)
		}
		if s.Count() != 0 {
			t.Errorf("Count() = %d while clients are told, want 0", s.Count())
		}
		time.Sleep(outbox.CloseTimeout)
		synctest.Wait()
		told[0].wantEnd()
		c := s.connect(t)
		c.request(offer)
		c.wantClose(wire.Close{Code: 1013, Reason: "the server is busy"})
		c.closes(1013, "")
		c.wantEnd()
		if counts := s.Counts(); counts.Refused["connect"] != minRejecting+2 || counts.Opened != 0 || len(o.opens) != 0 {
			t.Errorf("counts %+v, want %d refused and none opened", counts, minRejecting+2)
		}
	})
}

// A handler that never decides is given up after limits.handshake_timeout, or as soon as its client leaves. Meanwhile others connect.
func TestConnectWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan string, 2)
		s := servePipes(t, nil, deciding(func(ctx context.Context, r *handshake.Request) *handshake.Refusal {
			if r.Path() == "/open" {
				return nil
			}
			<-ctx.Done()
			ended <- r.Path() + ": " + context.Cause(ctx).Error()
			return &handshake.Refusal{Status: http.StatusServiceUnavailable, Reason: "late"}
		}))
		leaver, waiter := s.connect(t), s.connect(t)
		leaver.raw([]byte(requestFor("/leaves")))
		waiter.raw([]byte(requestFor("/waits")))
		began := time.Now()
		if response := s.connect(t).http(requestFor("/open")); response.StatusCode != http.StatusSwitchingProtocols || time.Since(began) > 0 {
			t.Errorf("another client meanwhile: status %d after %s, want 101 at once", response.StatusCode, time.Since(began))
		}
		_ = leaver.Close()
		if got := <-ended; got != "/leaves: context canceled" || time.Since(began) > 0 {
			t.Errorf("after %s: %q, want the end for the client that has left, at once", time.Since(began), got)
		}
		if response, err := http.ReadResponse(waiter.in, nil); err != nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("the waiting client got %v, %v, want 503", response, err)
		}
		if got := <-ended; got != "/waits: it takes longer than limits.handshake_timeout" || time.Since(began) != 5*time.Second {
			t.Errorf("after %s: %q, want the end after limits.handshake_timeout", time.Since(began), got)
		}
		s.stop()
	})
}

// Clients that wait for the handler do not count as silent ones, which are given up when there are too many requests under way.
func TestConnectIsNotPending(t *testing.T) {
	waiting := make(chan struct{})
	o := deciding(func(context.Context, *handshake.Request) *handshake.Refusal {
		close(waiting)
		return nil
	})
	s := serve(t, nil, o)
	c := s.connect(t)
	c.raw([]byte(upgradeRequest("localhost")))
	<-waiting
	s.pending.mu.Lock()
	left := s.pending.sockets.Len()
	s.pending.mu.Unlock()
	if left != 0 {
		t.Errorf("%d sockets are pending while the handler decides, want none", left)
	}
}

// A server that stops does not wait for the handler, and refuses the request.
func TestConnectWhileStopping(t *testing.T) {
	waiting := make(chan struct{})
	o := deciding(func(ctx context.Context, _ *handshake.Request) *handshake.Refusal {
		close(waiting)
		<-ctx.Done()
		return nil
	})
	s := serve(t, nil, o)
	c := s.connect(t)
	c.raw([]byte(upgradeRequest("localhost")))
	<-waiting
	s.Shutdown(t.Context(), 0, wire.CloseShutdown())
	c.deadline()
	if response, err := http.ReadResponse(c.in, nil); err != nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the answer is %v, %v, want 503", response, err)
	}
}

// The first offered subprotocol that is listed is selected. If none is, one line says so, without an offer that may be a secret.
func TestProtocols(t *testing.T) {
	o := newObserver()
	s := serve(t, func(opts *Options) { opts.Protocols = []string{"chat", "game"} }, o)
	for _, tt := range []struct{ offer, want string }{
		{"", ""},
		{"game, chat", "game"},
		{"other, chat", "chat"},
		{"chat, perigee.v1", "perigee.v1"},
		{"eyJhbGciOiJIUzI1NiJ9.a-long-secret", ""},
		{"other", ""},
	} {
		var lines []string
		if tt.offer != "" {
			lines = []string{"Sec-WebSocket-Protocol: " + tt.offer}
		}
		response := s.connect(t).request(lines...)
		if got := response.Header.Get("Sec-WebSocket-Protocol"); got != tt.want {
			t.Errorf("offer %q: selected %q, want %q", tt.offer, got, tt.want)
		}
		if got := (<-o.opens).Request().Protocol; got != tt.want {
			t.Errorf("offer %q: Request().Protocol = %q, want %q", tt.offer, got, tt.want)
		}
	}
	if log := s.log.String(); strings.Count(log, "server.protocols") != 1 || strings.Contains(log, "secret") {
		t.Errorf("the log is\n%s\nwant one line about server.protocols, and no offer that is long", log)
	}
}
