package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serve has operations performed at a place of its own until the test ends.
func serve(t *testing.T, operations map[string]Operation) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "control", "8080.sock")
	server, err := Listen(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(t.Context(), operations) })
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return path
}

type sum struct {
	Numbers []int `json:"numbers"`
}

// Arguments come to the operation that the request names, and its result or error comes back.
func TestCall(t *testing.T) {
	path := serve(t, map[string]Operation{
		"add": func(_ context.Context, arguments json.RawMessage) (any, error) {
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
		"nothing": func(_ context.Context, arguments json.RawMessage) (any, error) {
			if arguments != nil {
				return nil, errors.New("arguments came")
			}
			return nil, nil
		},
		"fail":  func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("scripts/a.lua:3: no") },
		"panic": func(context.Context, json.RawMessage) (any, error) { panic("oh") },
		"bad":   func(context.Context, json.RawMessage) (any, error) { return func() {}, nil },
		"large": func(context.Context, json.RawMessage) (any, error) { return strings.Repeat("x", maxAnswer), nil },
	})
	var total int
	if err := Call(t.Context(), path, "add", sum{[]int{1, 2, 3}}, &total); err != nil || total != 6 {
		t.Errorf("Call add = %v, %d, want 6", err, total)
	}
	if err := Call(t.Context(), path, "nothing", nil, nil); err != nil {
		t.Errorf("Call nothing = %v, want no error", err)
	}
	for _, row := range []struct{ operation, want string }{
		{"fail", "scripts/a.lua:3: no"},
		{"panic", "internal error"},
		{"bad", "unsupported type"},
		{"large", "the answer has 16777229 bytes, more than 16777216"},
		{"unheard", `no operation "unheard"`},
		{"", "names no operation"},
	} {
		err := Call(t.Context(), path, row.operation, nil, nil)
		if failure, ok := errors.AsType[*Failure](err); !ok || !strings.Contains(failure.Text, row.want) {
			t.Errorf("Call %q = %v, want a Failure with %q", row.operation, err, row.want)
		}
	}
}

// What is no request is answered with what is wrong with it.
func TestBadRequests(t *testing.T) {
	path := serve(t, nil)
	for _, row := range []struct{ sent, want string }{
		{"\x00", "not understood"},
		{"[]\n", "not understood"},
		{`{"operation":"x","args":{}}`, `unknown field "args"`},
		{`{"operation":"` + strings.Repeat("x", maxRequest), "larger than 1048576 bytes"},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, row.sent); err != nil {
			t.Errorf("writing %.20q: %v", row.sent, err)
		}
		text, err := io.ReadAll(conn) // which may end with a reset: not all that was sent has been read
		if !strings.HasPrefix(string(text), `{"error":`) || !strings.Contains(string(text), strings.ReplaceAll(row.want, `"`, `\"`)) {
			t.Errorf("answer to %.40q = %q, %v, want an error with %q", row.sent, text, err, row.want)
		}
		conn.Close()
	}
}

// Requests are performed at the same time; one that waits keeps no other waiting.
func TestCallsAtOnce(t *testing.T) {
	go1, go2 := make(chan struct{}), make(chan struct{})
	path := serve(t, map[string]Operation{
		"first": func(context.Context, json.RawMessage) (any, error) { close(go1); <-go2; return "first", nil },
		"second": func(context.Context, json.RawMessage) (any, error) {
			<-go1
			close(go2)
			return "second", nil
		},
	})
	var calling sync.WaitGroup
	for _, name := range []string{"first", "second"} {
		calling.Go(func() {
			var result string
			if err := Call(t.Context(), path, name, nil, &result); err != nil || result != name {
				t.Errorf("Call %s = %q, %v, want its name", name, result, err)
			}
		})
	}
	calling.Wait()
}

// Who waits for an answer may give up; the operation goes on.
func TestCallGivesUp(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	path := serve(t, map[string]Operation{
		"wait": func(context.Context, json.RawMessage) (any, error) { close(begun); <-release; return nil, nil },
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	defer calling.Wait()
	calling.Go(func() {
		if err := Call(ctx, path, "wait", nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Call that is given up = %v, want %v", err, context.Canceled)
		}
	})
	<-begun
	cancel()
}

// Requests that have come are answered after Close too; then nobody runs there any more, and nothing is left.
func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control", "8080.sock")
	server, err := Listen(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan struct{}), make(chan struct{})
	var parts sync.WaitGroup
	parts.Go(func() {
		server.Serve(t.Context(), map[string]Operation{
			"stop": func(context.Context, json.RawMessage) (any, error) { close(begun); <-release; return "stopped", nil },
		})
	})
	parts.Go(func() {
		var result string
		if err := Call(t.Context(), path, "stop", nil, &result); err != nil || result != "stopped" {
			t.Errorf("Call stop = %q, %v, want stopped", result, err)
		}
	})
	<-begun
	if err := server.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := Call(t.Context(), path, "stop", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Call after Close = %v, want %v", err, ErrNotRunning)
	}
	close(release)
	parts.Wait()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("after Close the folder holds %v, %v, want nothing", left, err)
	}
}

// A connection on which no request comes keeps nobody waiting after Close.
func TestCloseWithIdle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control", "8080.sock")
	server, err := Listen(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.patience = time.Hour
	var serving sync.WaitGroup
	serving.Go(func() {
		server.Serve(t.Context(), map[string]Operation{
			"ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
		})
	})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Call(t.Context(), path, "ping", nil, nil); err != nil { // after which the first has been accepted
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
		t.Fatal("after Close, Serve waits for a request on an idle connection, want it to end")
	}
}

// Whoever comes when there is no room is told so, and does not wait.
func TestBusy(t *testing.T) {
	release := make(chan struct{})
	var calling, begun sync.WaitGroup
	begun.Add(maxAtOnce)
	path := serve(t, map[string]Operation{
		"wait": func(context.Context, json.RawMessage) (any, error) { begun.Done(); <-release; return nil, nil },
		"ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
	})
	for range maxAtOnce {
		calling.Go(func() {
			if err := Call(t.Context(), path, "wait", nil, nil); err != nil {
				t.Errorf("Call wait = %v, want no error", err)
			}
		})
	}
	begun.Wait()
	for range 20 { // the request may come before the refusal, or after it
		err := Call(t.Context(), path, "ping", nil, nil)
		if failure, ok := errors.AsType[*Failure](err); !ok || !strings.Contains(failure.Text, "busy with 64 requests") {
			t.Errorf("Call without room = %v, want a Failure that the server is busy", err)
		}
	}
	close(release)
	calling.Wait()
}

// A client of another user is refused by what the kernel says of it, even where file modes would let it in.
func TestOtherUser(t *testing.T) {
	const nobody = 65534
	for _, row := range []struct {
		peer  uint32
		own   int
		asks  bool
		heard bool
	}{
		{1000, 1000, true, true},
		{0, 1000, true, true},
		{1001, 1000, false, false},
		{1000, 0, false, true},
		{0, 0, true, true},
	} {
		if got := mayAsk(row.peer, row.own); got != row.asks {
			t.Errorf("mayAsk(%d, %d) = %t, want %t", row.peer, row.own, got, row.asks)
		}
		if got := mayAnswer(row.peer, row.own); got != row.heard {
			t.Errorf("mayAnswer(%d, %d) = %t, want %t", row.peer, row.own, got, row.heard)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	path := serve(t, map[string]Operation{
		"ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
	})
	top := filepath.Dir(filepath.Dir(filepath.Dir(path))) // of all that t.TempDir made
	for file := path; strings.HasPrefix(file, top); file = filepath.Dir(file) {
		if err := os.Chmod(file, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	var calling sync.WaitGroup
	calling.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Errorf("becoming user %d: %v", nobody, errno)
			return
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Errorf("Dial as user %d = %v, want a connection", nobody, err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, `{"operation":"ping"}`) // may be closed by then
		if text, _ := io.ReadAll(conn); len(text) > 0 {
			t.Errorf("user %d is answered %q, want nothing", nobody, text)
		}
	})
	calling.Wait()
}

// The socket is its owner's alone, in a folder that is.
func TestModes(t *testing.T) {
	path := serve(t, nil)
	for file, want := range map[string]os.FileMode{path: os.ModeSocket | 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		if info, err := os.Lstat(file); err != nil || info.Mode() != want {
			t.Errorf("mode of %s = %v, %v, want %v", file, info.Mode(), err, want)
		}
	}
}

// Without a setting, the place follows from the user and the port.
func TestPath(t *testing.T) {
	if got, want := Path("/run/user/1", "/tmp", 8080), "/run/user/1/perigee/8080.sock"; got != want {
		t.Errorf("Path with a runtime folder = %s, want %s", got, want)
	}
	want := "/tmp/perigee-" + strconv.Itoa(os.Geteuid()) + "/80.sock"
	if got := Path("", "/tmp", 80); got != want {
		t.Errorf("Path without a runtime folder = %s, want %s", got, want)
	}
}

// Whatever comes is a request with an operation, or an error.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "[]", "null", `{"operation":"reload"}`, `{"operation":"queue kick","arguments":{"id":1}}` + "\n", `{"operation":1}`,
		`{"operation":"a","operation":"b"}`, `{"operation":"a","arguments":` + strings.Repeat("[", 20_000), "\xff", `{"x":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		asked, err := readRequest(bytes.NewReader(text))
		if err == nil && (asked.Operation == "" || asked.Arguments != nil && !json.Valid(asked.Arguments)) {
			t.Errorf("readRequest(%q) = %+v, want a request with an operation and JSON, or an error", text, asked)
		}
	})
}
