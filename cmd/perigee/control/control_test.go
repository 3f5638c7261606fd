package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// listen creates a control socket in a directory of its own.
func listen(t *testing.T) *Server {
	t.Helper()
	server, err := Listen(t.Context(), filepath.Join(t.TempDir(), "control", "8080.sock"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// handler serves operations and logs nothing.
func handler(t *testing.T, operations map[string]Operation) http.Handler {
	t.Helper()
	return Handler(t.Context(), operations, nil, slog.New(slog.DiscardHandler))
}

// serve serves operations at a path of its own until the test ends.
func serve(t *testing.T, operations map[string]Operation) (path string) {
	t.Helper()
	server := listen(t)
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(handler(t, operations)) })
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return server.path
}

type sum struct {
	Numbers []int `json:"numbers"`
}

// The operation of the route gets the arguments, and the caller its result or error.
func TestCall(t *testing.T) {
	path := serve(t, map[string]Operation{
		"POST /add": func(_ context.Context, arguments json.RawMessage) (any, error) {
			var asked sum
			if err := json.Unmarshal(arguments, &asked); err != nil {
				return nil, err
			}
			total := 0
			for _, n := range asked.Numbers {
				total += n
			}
			return total, nil
		},
		"POST /nothing": func(_ context.Context, arguments json.RawMessage) (any, error) {
			if arguments != nil {
				return nil, errors.New("arguments came")
			}
			return nil, nil
		},
		"GET /fail":  func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("scripts/a.lua:3: no") },
		"GET /panic": func(context.Context, json.RawMessage) (any, error) { panic("oh") },
		"GET /bad":   func(context.Context, json.RawMessage) (any, error) { return func() {}, nil },
		"GET /large": func(context.Context, json.RawMessage) (any, error) { return strings.Repeat("x", maxResponse), nil },
	})
	var total int
	if err := Call(t.Context(), path, "POST /add", sum{[]int{1, 2, 3}}, &total); err != nil || total != 6 {
		t.Errorf("Call add = %v, %d, want 6", err, total)
	}
	if err := Call(t.Context(), path, "POST /nothing", nil, nil); err != nil {
		t.Errorf("Call nothing = %v, want no error", err)
	}
	for _, row := range []struct{ route, want string }{
		{"GET /fail", "scripts/a.lua:3: no"},
		{"GET /panic", "internal error"},
		{"GET /bad", "unsupported type"},
		{"GET /large", "the response has 16777218 bytes, more than 16777216"},
		{"GET /unknown", `no operation GET "/unknown"`},
		{"GET /add", `no operation GET "/add"`},
		{"", `no operation GET "/"`},
	} {
		err := Call(t.Context(), path, row.route, nil, nil)
		if failure, ok := errors.AsType[*Failure](err); !ok || !strings.Contains(failure.Text, row.want) {
			t.Errorf("Call %q = %v, want a Failure with %q", row.route, err, row.want)
		}
	}
}

// A request whose body is not JSON, or too large, gets an error that says so.
func TestBadRequests(t *testing.T) {
	path := serve(t, map[string]Operation{
		"POST /any": func(context.Context, json.RawMessage) (any, error) { return nil, nil },
	})
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialTrusted(ctx, path)
	}}}
	for _, row := range []struct {
		sent   string
		status int
		want   string
	}{
		{"\x00", http.StatusBadRequest, `{"error":"the body of the request is not JSON"}`},
		{`{"operation":"x`, http.StatusBadRequest, `{"error":"the body of the request is not JSON"}`},
		{`"` + strings.Repeat("x", maxRequest), http.StatusRequestEntityTooLarge, `{"error":"the request is larger than 1048576 bytes"}`},
	} {
		response, err := client.Post("http://perigee/any", "application/json", strings.NewReader(row.sent))
		if err != nil {
			t.Errorf("POST of %.40q = %v, want a response", row.sent, err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		if string(body) != row.want || response.StatusCode != row.status {
			t.Errorf("POST of %.40q = %d, %q, %v, want %d, %s", row.sent, response.StatusCode, body, err, row.status, row.want)
		}
		response.Body.Close()
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "reload\n"); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(conn); !strings.HasPrefix(string(text), "HTTP/1.1 400 ") {
		t.Errorf("response to what is not HTTP = %q, %v, want status 400", text, err)
	}
}

// Requests run concurrently: one that waits does not delay others.
func TestConcurrentCalls(t *testing.T) {
	go1, go2 := make(chan struct{}), make(chan struct{})
	path := serve(t, map[string]Operation{
		"GET /first": func(context.Context, json.RawMessage) (any, error) { close(go1); <-go2; return "first", nil },
		"GET /second": func(context.Context, json.RawMessage) (any, error) {
			<-go1
			close(go2)
			return "second", nil
		},
	})
	var calling sync.WaitGroup
	for _, name := range []string{"first", "second"} {
		calling.Go(func() {
			var result string
			if err := Call(t.Context(), path, "GET /"+name, nil, &result); err != nil || result != name {
				t.Errorf("Call %s = %q, %v, want its name", name, result, err)
			}
		})
	}
	calling.Wait()
}

// A caller may give up waiting; the operation goes on.
func TestCallIsCancelled(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	path := serve(t, map[string]Operation{
		"GET /wait": func(context.Context, json.RawMessage) (any, error) { close(begun); <-release; return nil, nil },
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	defer calling.Wait()
	calling.Go(func() {
		if err := Call(ctx, path, "GET /wait", nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Call that is cancelled = %v, want %v", err, context.Canceled)
		}
	})
	<-begun
	cancel()
}

// Requests that the server has received are answered after Close; new ones find no server, and no file is left.
func TestClose(t *testing.T) {
	server := listen(t)
	path := server.path
	begun, release := make(chan struct{}), make(chan struct{})
	var parts sync.WaitGroup
	parts.Go(func() {
		server.Serve(handler(t, map[string]Operation{
			"POST /stop": func(context.Context, json.RawMessage) (any, error) { close(begun); <-release; return "stopped", nil },
		}))
	})
	parts.Go(func() {
		var result string
		if err := Call(t.Context(), path, "POST /stop", nil, &result); err != nil || result != "stopped" {
			t.Errorf("Call stop = %q, %v, want stopped", result, err)
		}
	})
	<-begun
	if err := server.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := Call(t.Context(), path, "POST /stop", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Call after Close = %v, want %v", err, ErrNotRunning)
	}
	close(release)
	parts.Wait()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("after Close the directory holds %v, %v, want nothing", left, err)
	}
}

// Connections without a request, or with a part of one, do not delay the end of Serve after Close.
func TestCloseWithoutRequests(t *testing.T) {
	server := listen(t)
	server.readTimeout = time.Hour
	path := server.path
	var serving sync.WaitGroup
	serving.Go(func() {
		server.Serve(handler(t, map[string]Operation{
			"GET /ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
		}))
	})
	for _, sent := range []string{"", "GET /pi", "GET /ping HTTP/1.1\r\nHost: perigee\r\nContent-Length: 2\r\n\r\n{"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
	}
	if err := Call(t.Context(), path, "GET /ping", nil, nil); err != nil { // after which the connections above have been accepted
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serving.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(2 * time.Minute): // a guard against hanging, not a measurement
		t.Fatal("after Close, Serve waits for a request on a connection, want it to end")
	}
}

// A request beyond the limit is refused at once.
func TestTooManyRequests(t *testing.T) {
	release := make(chan struct{})
	var calling, begun sync.WaitGroup
	begun.Add(maxRequests)
	path := serve(t, map[string]Operation{
		"GET /wait": func(context.Context, json.RawMessage) (any, error) { begun.Done(); <-release; return nil, nil },
		"GET /ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
	})
	for range maxRequests {
		calling.Go(func() {
			if err := Call(t.Context(), path, "GET /wait", nil, nil); err != nil {
				t.Errorf("Call wait = %v, want no error", err)
			}
		})
	}
	begun.Wait()
	for range 20 {
		err := Call(t.Context(), path, "GET /ping", nil, nil)
		if failure, ok := errors.AsType[*Failure](err); !ok || !strings.Contains(failure.Text, "busy with 64 requests") {
			t.Errorf("Call of a busy server = %v, want a Failure that the server is busy", err)
		}
	}
	close(release)
	calling.Wait()
}

// The server's user and root may use a server; clients trust the servers of their user and of root, and root trusts all.
func TestAllowedUsers(t *testing.T) {
	for _, row := range []struct {
		peer    int
		own     int
		allowed bool
		trusted bool
	}{
		{1000, 1000, true, true},
		{0, 1000, true, true},
		{1001, 1000, false, false},
		{1000, 0, false, true},
		{0, 0, true, true},
	} {
		if got := clientAllowed(row.peer, row.own); got != row.allowed {
			t.Errorf("clientAllowed(%d, %d) = %t, want %t", row.peer, row.own, got, row.allowed)
		}
		if got := serverTrusted(row.peer, row.own); got != row.trusted {
			t.Errorf("serverTrusted(%d, %d) = %t, want %t", row.peer, row.own, got, row.trusted)
		}
	}
}

// Only the owner can access the socket and its directory.
func TestModes(t *testing.T) {
	path := serve(t, nil)
	for file, want := range map[string]os.FileMode{path: os.ModeSocket | 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		if info, err := os.Lstat(file); err != nil || info.Mode() != want {
			t.Errorf("mode of %s = %v, %v, want %v", file, info.Mode(), err, want)
		}
	}
}

// The default path depends on the user and the port.
func TestPath(t *testing.T) {
	if got, want := Path("/run/user/1", "/tmp", 8080), "/run/user/1/perigee/8080.sock"; got != want {
		t.Errorf("Path with a runtime directory = %s, want %s", got, want)
	}
	want := "/tmp/perigee-" + strconv.Itoa(os.Geteuid()) + "/80.sock"
	if got := Path("", "/tmp", 80); got != want {
		t.Errorf("Path without a runtime directory = %s, want %s", got, want)
	}
}

// Whatever body a request has, the operation gets JSON or nothing, or else the response is an error.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "[]", "null", `{"id":1}` + "\n", `{"id":1`, `{"a":1,"a":2}`, `{"arguments":` + strings.Repeat("[", 20_000), "\xff", `{} {}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		performed := false
		h := handler(t, map[string]Operation{
			"POST /": func(_ context.Context, arguments json.RawMessage) (any, error) {
				performed = true
				if arguments != nil && !json.Valid(arguments) {
					t.Errorf("arguments of %q = %q, want JSON or nil", text, arguments)
				}
				return nil, nil
			},
		})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(text)))
		if want := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[performed]; w.Code != want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("response to %q = %d, %q, want %d and JSON", text, w.Code, w.Body, want)
		}
	})
}
