//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/testkit"
)

// activated returns a command that starts a server as systemd does, with sockets that are open already.
func activated(t *testing.T, program string, sockets ...interface{ File() (*os.File, error) }) *exec.Cmd {
	t.Helper()
	// The shell becomes the server, so its process ID is the one that LISTEN_PID must have.
	const script = `LISTEN_PID=$$ exec "$0" start --lua-manager app --queue-driver off --control off`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, program)
	cmd.Dir = filepath.Dir(program)
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+string(rune('0'+len(sockets))))
	for _, socket := range sockets {
		file, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	return cmd
}

// listenTCP returns a socket as systemd opens it.
func listenTCP(t *testing.T, address string) *net.TCPListener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.(*net.TCPListener)
}

// A server serves at the socket of the service manager.
func TestSocketActivation(t *testing.T) {
	program := newVictim(t).program
	t.Run("replacement", func(t *testing.T) { testReplacement(t, program) })
	t.Run("bad sockets", func(t *testing.T) { testBadSockets(t, program) })
}

// While servers replace each other at a socket, no connection is refused: it waits for the next server. Clients of the one that
// stops are told to come back.
func testReplacement(t *testing.T, program string) {
	t.Helper()
	listener := listenTCP(t, "127.0.0.1:0")
	address := listener.Addr().String()
	var served atomic.Int64
	var probing sync.WaitGroup
	defer probing.Wait()
	done := make(chan struct{})
	defer close(done)
	probing.Go(func() {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: testkit.Timeout}
		for {
			select {
			case <-done:
				return
			default:
			}
			switch response, err := client.Get("http://" + address + "/healthz"); {
			case err == nil:
				_ = response.Body.Close() // of no interest
				served.Add(1)
			case errors.Is(err, syscall.ECONNREFUSED):
				t.Errorf("a connection was refused: %v", err)
				return
			}
		}
	})
	for range 3 {
		cmd := activated(t, program, listener)
		var log bytes.Buffer
		cmd.Stderr = &log
		before := served.Load()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		socket, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+address, nil)
		if err != nil {
			t.Fatalf("Dial before the server is ready = %v, want that it waits", err)
		}
		testkit.WaitFor(t, "answers", func() bool { return served.Load() > before })
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := socket.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, _, err = socket.ReadMessage()
		}
		if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			t.Errorf("the client gets %v, want close code 1012", err)
		}
		_ = socket.Close() // the server has closed it
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v, want in order; its log:\n%s", err, &log)
		}
	}
	// Something must accept the last probes.
	go func() { _ = http.Serve(listener, http.NotFoundHandler()) }() // ends with the listener
}

// Sockets that a server cannot use are refused, and the settings about addresses hold for the socket.
func testBadSockets(t *testing.T, program string) {
	t.Helper()
	tcp := listenTCP(t, "127.0.0.1:0")
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	many := activated(t, program, tcp)
	many.Env = append(many.Env, "LISTEN_FDS=2000000000000000")
	for _, row := range []struct {
		cmd  *exec.Cmd
		code int
		want string
	}{
		{many, 1, "the service manager has opened 2000000000000000 sockets, want one"},
		{activated(t, program, tcp, tcp), 1, "the service manager has opened 2 sockets, want one"},
		{activated(t, program, unix), 1, "the service manager has opened unix, want a TCP socket"},
		{activated(t, program, listenTCP(t, "0.0.0.0:0")), exitConfig, "refusing to listen on "},
	} {
		row.cmd.Stdout = io.Discard
		var stderr strings.Builder
		row.cmd.Stderr = &stderr
		_ = row.cmd.Run() // the code says how it ends
		if code := row.cmd.ProcessState.ExitCode(); code != row.code || !strings.Contains(stderr.String(), row.want) {
			t.Errorf("start = %d, %q, want %d and %q", code, stderr.String(), row.code, row.want)
		}
	}
}
