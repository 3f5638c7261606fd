package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/cmd/perigee/report"
	"perigee/engine/testkit"
)

// screen collects the output of a running program.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // capacity 1: there is something new
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

// Write implements io.Writer.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(text)
}

// String returns what has been written so far.
func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits for output that matches the pattern, and returns the match with its groups.
func (s *screen) await(t *testing.T, pattern string) []string {
	t.Helper()
	deadline := time.After(testkit.Timeout)
	for {
		if match := regexp.MustCompile(pattern).FindStringSubmatch(s.String()); match != nil {
			return match
		}
		select {
		case <-s.more:
		case <-deadline:
			t.Fatalf("written %q, want %s", s.String(), pattern)
		}
	}
}

// live is a running server in this process.
type live struct {
	stdout, stderr *screen
	address        string // 127.0.0.1:PORT
	port           string
	ended          chan int // its exit code
}

// start runs perigee start on a free port until the test ends, and waits until it accepts clients.
func start(t *testing.T, environ []string, args ...string) *live {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &live{stdout: newScreen(), stderr: newScreen(), ended: make(chan int, 1)}
	var running sync.WaitGroup
	running.Go(func() {
		l.ended <- run(ctx, append([]string{"perigee", "start", "-P", "0", "-C", "memory"}, args...), environ, l.stdout, l.stderr)
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if t.Failed() {
			t.Logf("the server's log:\n%s", l.stderr)
		}
	})
	l.address = l.stdout.await(t, `websocket +ws://(\S+)/`)[1]
	_, l.port, _ = net.SplitHostPort(l.address)
	return l
}

// client is a WebSocket client of a server.
type client struct {
	t      *testing.T
	socket *websocket.Conn
}

func (l *live) dial(t *testing.T) client {
	t.Helper()
	socket, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+l.address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := socket.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		t.Fatal(err)
	}
	return client{t, socket}
}

func (c client) send(text string) {
	c.t.Helper()
	if err := c.socket.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// await skips frames until one contains the word.
func (c client) await(word string) {
	c.t.Helper()
	for text := ""; !strings.Contains(text, `"`+word+`"`); {
		_, frame, err := c.socket.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", word, err)
		}
		text = string(frame)
	}
}

// writeApp writes scripts/app.lua, as many editors do: another file first, which is then renamed. boot begins in line 6.
func writeApp(t *testing.T, boot string) {
	t.Helper()
	text := `local base = require("manager")
local server = require("server")
local app = base:extend()
function app:boot()
  base.boot(self)
  ` + boot + `
end
return app
`
	if err := os.MkdirAll("scripts", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("scripts/app.lua.new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("scripts/app.lua.new", "scripts/app.lua"); err != nil {
		t.Fatal(err)
	}
}

// runtimeDir returns a new directory, and an environment that names it as XDG_RUNTIME_DIR.
func runtimeDir(t *testing.T) (dir string, environ []string) {
	t.Helper()
	dir = t.TempDir()
	return dir, []string{"XDG_RUNTIME_DIR=" + dir}
}

// status shows the status of a server; stop ends it and waits until it has ended. No file is left.
func TestStatusAndStop(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, environ := runtimeDir(t)
	server := start(t, environ)
	server.dial(t)
	code, stdout, stderr := perigee(t, environ, "status", "-P", server.port)
	want := `^perigee \S+ is running, generation 1\n\nprocess +` + strconv.Itoa(os.Getpid()) +
		`\nstarted +\S+ \S+, \d+s ago\nwebsocket +ws://` + server.address + `/\nconnections +1, 0 away\nready +yes\nresponds +yes\nqueue +\S.*\njobs +0 done, 0 failed and retried, 0 buried, 0 in progress\n$`
	if code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("status = %d, %q, %q, want 0 and %s", code, stdout, stderr, want)
	}
	code, stdout, _ = perigee(t, append(environ, "SERVER_PORT="+server.port), "status", "--json")
	var got report.Status
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || got.PID != os.Getpid() ||
		got.Generation != 1 || got.Connections != 1 || !got.Ready || !got.Responds || got.Uptime <= 0 {
		t.Errorf("status --json = %d, %s, %v, want 0 and a server with a connection", code, stdout, err)
	}
	if code, stdout, stderr = perigee(t, environ, "health", "-P", server.port); code != 0 || stdout != "healthy\n" {
		t.Errorf("health = %d, %q, %q, want 0 and healthy", code, stdout, stderr)
	}

	code, stdout, stderr = perigee(t, environ, "stop", "-P", server.port)
	if code != 0 || stdout != "stopped\n" {
		t.Errorf("stop = %d, %q, %q, want 0 and stopped", code, stdout, stderr)
	}
	if code := <-server.ended; code != 0 {
		t.Errorf("start ended with %d, want 0", code)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "perigee")); err != nil || len(left) > 0 {
		t.Errorf("after stop the directory of control sockets holds %v, %v, want nothing", left, err)
	}
	for _, command := range []string{"status", "health", "stop"} {
		code, _, stderr := perigee(t, environ, command, "-P", server.port)
		if code != 1 || !strings.Contains(stderr, server.port+".sock: no server runs there") {
			t.Errorf("%s of no server = %d, %q, want 1 and that no server runs there", command, code, stderr)
		}
	}
}

// The paths of the control socket and the PID file are settings, for the server and for other commands.
func TestControlSettings(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "server.toml")
	text := "[server]\ncontrol = \"control.sock\"\npid_file = \"perigee.pid\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	server := start(t, nil, "-c", file)
	if got, err := os.ReadFile(filepath.Join(dir, "perigee.pid")); string(got) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("server.pid_file = %q, %v, want %d", got, err, os.Getpid())
	}
	code, _, stderr := perigee(t, nil, "start", "-P", "0", "-c", file, "--pid-file", "")
	if code != 1 || !strings.Contains(stderr, fmt.Sprintf("a server runs there already, as process %d:", os.Getpid())) {
		t.Errorf("start with the same control socket = %d, %q, want 1 and the process", code, stderr)
	}
	if code, stdout, stderr := perigee(t, nil, "stop", "-c", file); code != 0 {
		t.Errorf("stop = %d, %q, %q, want 0", code, stdout, stderr)
	}
	<-server.ended
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("after stop there are %v, %v, want only server.toml", left, err)
	}

	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"status", "--control", "off"}, `"off": commands cannot reach this server`},
		{[]string{"status", "-P", "0"}, "server.port is 0"},
		{[]string{"start", "-P", "0", "--control", filepath.Join(dir, "none", "none", "s")}, "no such file"},
		{[]string{"start", "-P", "0", "--pid-file", file}, "not hold the number of a process, and is kept"},
	} {
		if code, _, stderr := perigee(t, nil, row.args...); code != 1 || !strings.Contains(stderr, row.want) {
			t.Errorf("%v = %d, %q, want 1 and %q", row.args, code, stderr, row.want)
		}
	}
}

// If the control socket cannot be created at its default path, the server runs without one and logs it.
func TestNoControl(t *testing.T) {
	t.Chdir(t.TempDir())
	server := start(t, []string{"XDG_RUNTIME_DIR=" + filepath.Join(t.TempDir(), "none")})
	server.stderr.await(t, "no control socket.*no such file")
	off := start(t, nil, "--control", "off")
	for _, l := range []*live{server, off} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.address+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("GET %s = %s, want 200", request.URL, response.Status)
		}
	}
	if strings.Contains(off.stderr.String(), "control") {
		t.Errorf("log with server.control = off: %s, want nothing about it", off.stderr)
	}
}

// serviceManager acts as systemd: it receives notifications on NOTIFY_SOCKET.
func serviceManager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	if err := socket.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	return socket
}

// heard returns the next notification.
func heard(t *testing.T, socket *net.UnixConn) string {
	t.Helper()
	text := make([]byte, 4096)
	length, err := socket.Read(text)
	if err != nil {
		t.Fatalf("the service manager hears %v, want a message", err)
	}
	return string(text[:length])
}

// The service manager is notified that the server is ready, alive and stopping, in this order.
func TestServiceManager(t *testing.T) {
	t.Chdir(t.TempDir())
	manager := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	_, environ := runtimeDir(t)
	server := start(t, environ)
	if got, want := heard(t, manager), "READY=1\nSTATUS=generation 1: 17 messages, "; !strings.HasPrefix(got, want) {
		t.Errorf("first the service manager hears %q, want %q", got, want)
	}
	for range 3 {
		if got := heard(t, manager); got != "WATCHDOG=1" {
			t.Errorf("then the service manager hears %q, want WATCHDOG=1", got)
		}
	}
	if code, _, stderr := perigee(t, environ, "stop", "-P", server.port); code != 0 {
		t.Errorf("stop = %d, %q, want 0", code, stderr)
	}
	got := heard(t, manager)
	for got == "WATCHDOG=1" {
		got = heard(t, manager)
	}
	if got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=22000000\nSTATUS=stopping" {
		t.Errorf("in the end the service manager hears %q, want STOPPING=1 and 22 s: stop.timeout and the time to cut what is left", got)
	}
}

// A second server fails. The error names the process of the first, and the settings that avoid the conflict.
func TestStartTwice(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, environ := runtimeDir(t)
	server := start(t, environ)
	at := filepath.Join(dir, "perigee", server.port+".sock")
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "-P", server.port}, fmt.Sprintf("as process %d: stop it, or choose another port with --port\n", os.Getpid())},
		{[]string{"start", "-P", "0", "--control", at}, fmt.Sprintf("as process %d: stop it, or choose another path with server.control\n", os.Getpid())},
	} {
		if code, _, stderr := perigee(t, environ, append(row.args, "-C", "memory")...); code != 1 || !strings.HasSuffix(stderr, row.want) {
			t.Errorf("%v = %d, %q, want 1 and %q", row.args, code, stderr, row.want)
		}
	}
}
