package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// Do sends a request and waits for the complete response. The error is an *Error.
func (c *Client) Do(ctx context.Context, r Request) (response Response, err error) {
	err = c.do(ctx, r, func(r Response) { response = r })
	return response, err
}

func newClient(t *testing.T, change func(o *Options)) *Client {
	t.Helper()
	o := Options{Timeout: testkit.Timeout, MaxBody: 1000, MaxRequests: 16}
	if change != nil {
		change(&o)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// serve runs a server on an address of this machine.
func serve(t *testing.T, ip string, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skipf("Listen on %s: %v", ip, err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// expect sends a request that must fail with this reason, or succeed if it is "".
func expect(t *testing.T, c *Client, r Request, want string) Response {
	t.Helper()
	response, err := c.Do(t.Context(), r)
	got := ""
	if err != nil {
		known, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("Do(%s %s) = %v, want an *Error", r.Method, r.URL, err)
		}
		got = known.Reason
	}
	if got != want {
		t.Errorf("Do(%s %.80s) = %v, want the reason %q", r.Method, r.URL, err, want)
	}
	return response
}

// A request arrives as it was sent, and its response is returned completely, whatever its status.
func TestDo(t *testing.T) {
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		w.Header().Set("X-Saw", strings.Join([]string{
			r.Method, r.Host, r.UserAgent(), r.Header.Get("X-Mine"), user, password, string(body),
		}, " "))
		w.WriteHeader(http.StatusTeapot)
		_, errWrite := io.WriteString(w, strings.Repeat("x", 1000))
		if err := errors.Join(err, errWrite); err != nil {
			t.Error(err)
		}
	})
	c := newClient(t, nil)
	got := expect(t, c, Request{
		Method: "put", URL: strings.Replace(server.URL, "//", "//me:secret@", 1), Body: []byte("body"),
		Header: http.Header{"X-Mine": {"yes"}, "Host": {"example.com"}},
	}, "")
	if want := "PUT example.com perigee yes me secret body"; got.Header.Get("X-Saw") != want {
		t.Errorf("the server saw %q, want %q", got.Header.Get("X-Saw"), want)
	}
	if got.Status != http.StatusTeapot || len(got.Body) != 1000 {
		t.Errorf("Do = status %d and %d bytes, want 418 and 1000", got.Status, len(got.Body))
	}
}

// Only characters that are not allowed in a query are escaped; everything else is sent as it is.
func TestQuery(t *testing.T) {
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", r.RequestURI)
	})
	c := newClient(t, nil)
	rows := []struct{ url, want string }{
		{"/a?y=ä ö", "/a?y=%C3%A4%20%C3%B6"},
		{"/ä ö?<x>=\"1\"", "/%C3%A4%20%C3%B6?%3Cx%3E=%221%22"},
		{"/a?y=%20+%C3%A4&z=1;2&[]=/?:@!$'()*,~`|{}", "/a?y=%20+%C3%A4&z=1;2&[]=/?:@!$'()*,~`|{}"},
		{"/a?y=\xff", "/a?y=%FF"},
	}
	for _, row := range rows {
		if got := expect(t, c, Request{URL: server.URL + row.url}, "").Header.Get("X-Saw"); got != row.want {
			t.Errorf("Do(%q): the server saw %q, want %q", row.url, got, row.want)
		}
	}
	expect(t, c, Request{URL: server.URL + "/a?y=\n"}, "bad url")
	expect(t, c, Request{URL: server.URL + "/%zz"}, "bad url")
}

// Successive requests use the same connection.
func TestReuse(t *testing.T) {
	var connections sync.Map
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		connections.Store(r.RemoteAddr, true)
		_, _ = io.WriteString(w, "answer")
	})
	c := newClient(t, nil)
	for range 20 {
		expect(t, c, Request{URL: server.URL}, "")
	}
	count := 0
	connections.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("20 requests used %d connections, want 1", count)
	}
}

// A body that is too large fails, also if only its compressed form is small enough.
func TestTooLarge(t *testing.T) {
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/packed" {
			w.Header().Set("Content-Encoding", "gzip")
			packer := gzip.NewWriter(w)
			_, _ = packer.Write(make([]byte, 1<<20))
			_ = packer.Close()
			return
		}
		_, _ = w.Write(make([]byte, 1001))
	})
	c := newClient(t, nil)
	expect(t, c, Request{URL: server.URL}, "too large")
	expect(t, c, Request{URL: server.URL + "/packed"}, "too large")
	expect(t, c, Request{Method: "POST", URL: server.URL, Body: make([]byte, 1001)}, "request too large")
	expect(t, c, Request{Method: "POST", URL: server.URL, Body: make([]byte, 1000)}, "too large") // the answer
}

// Each kind of failure has its reason, and the error does not contain the URL, which may contain secrets.
func TestReasons(t *testing.T) {
	hang := serve(t, "127.0.0.1", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cut := serve(t, "127.0.0.1", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	short := serve(t, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "only this")
	})
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	t.Cleanup(secure.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := newClient(t, nil)
	rows := []struct {
		name string
		r    Request
		want string
	}{
		{"hangs", Request{URL: hang.URL, Timeout: time.Millisecond}, "timeout"},
		{"cut", Request{URL: cut.URL}, "closed"},
		{"cut within the body", Request{URL: short.URL}, "closed"},
		{"no server", Request{URL: gone.URL + "/?key=secret"}, "refused"},
		{"certificate", Request{URL: secure.URL}, "bad certificate"},
		{"no URL", Request{URL: "http://%zz"}, "bad url"},
		{"no host", Request{URL: "http:///path"}, "bad url"},
		{"empty", Request{}, "neither http nor https"},
		{"file", Request{URL: "file:///etc/passwd"}, "neither http nor https"},
		{"method", Request{URL: hang.URL, Method: "A B"}, "bad request"},
		{"header", Request{URL: hang.URL, Header: http.Header{"X": {"a\r\nb"}}}, "bad request"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			expect(t, c, row.r, row.want)
			if _, err := c.Do(t.Context(), row.r); strings.Contains(err.Error(), "secret") {
				t.Errorf("Do = %v, want no URL in it", err)
			}
		})
	}
}

// A request ends when its context ends or when it is cancelled, and Close waits for it.
func TestCancel(t *testing.T) {
	arrived := make(chan struct{}, 2)
	server := serve(t, "127.0.0.1", func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	c := newClient(t, nil)
	var outcome error
	cancel := c.Start(Request{URL: server.URL}, func(_ Response, err error) { outcome = err })
	<-arrived
	cancel()
	c.Close()
	if outcome == nil || reason(outcome.(*Error).cause) != "cancelled" { //nolint:errorlint // it is one
		t.Errorf("outcome after cancel = %v, want cancelled", outcome)
	}
	ctx, end := context.WithCancel(t.Context())
	go func() { <-arrived; end() }()
	if _, err := c.Do(ctx, Request{URL: server.URL}); !errors.Is(err, context.Canceled) {
		t.Errorf("Do with a context that ends = %v, want context.Canceled", err)
	}
}

// A response that switches the protocol is an error, even if nothing follows.
func TestSwitch(t *testing.T) {
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		socket, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = socket.Close() }()
		if _, err := io.WriteString(socket, "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"); err != nil {
			t.Error(err)
		}
		_, _ = socket.Read(make([]byte, 1)) // until the client has let go
	})
	expect(t, newClient(t, nil), Request{URL: server.URL}, "failed")
}

// A response that has not been taken counts as in flight.
func TestNotTaken(t *testing.T) {
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
	c := newClient(t, func(o *Options) { o.MaxRequests = 1 })
	outcomes := make(chan error)
	take := c.Start(Request{URL: server.URL}, func(_ Response, err error) { outcomes <- err })
	if err := <-outcomes; err != nil {
		t.Fatal(err)
	}
	expect(t, c, Request{URL: server.URL, Timeout: 50 * time.Millisecond}, "too many requests")
	take()
	expect(t, c, Request{URL: server.URL}, "")
}

// At most MaxRequests are in flight; the others wait for their turn until their timeout.
func TestMaxRequests(t *testing.T) {
	var now, most atomic.Int32
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	server := serve(t, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		arrived <- struct{}{}
		<-release
		now.Add(-1)
		_, _ = io.Copy(w, bytes.NewReader([]byte("done")))
	})
	c := newClient(t, func(o *Options) { o.MaxRequests = 2 })
	var succeeded atomic.Int32
	for range 6 {
		begun := make(chan func(), 1)
		begun <- c.Start(Request{URL: server.URL}, func(_ Response, err error) {
			if err == nil {
				succeeded.Add(1)
			}
			(<-begun)()
		})
	}
	<-arrived
	<-arrived
	expect(t, c, Request{URL: server.URL, Timeout: time.Millisecond}, "too many requests")
	close(release)
	c.Close()
	if most.Load() > 2 || succeeded.Load() != 6 {
		t.Errorf("6 requests: %d at once, %d succeeded, want at most 2 and all", most.Load(), succeeded.Load())
	}
}
