package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"perigee/engine/testkit"
)

// A living server keeps its socket, and the error names its process; the socket of a dead one is replaced.
func TestListenTwice(t *testing.T) {
	path := serve(t, map[string]Operation{
		"GET /ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
	})
	log := slog.New(slog.DiscardHandler)
	_, err := Listen(t.Context(), path, log)
	if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), fmt.Sprintf("as process %d:", os.Getpid())) {
		t.Errorf("Listen at the path of a living server = %v, want %v and process %d", err, ErrRunning, os.Getpid())
	}
	var result string
	if err := Call(t.Context(), path, "GET /ping", nil, &result); err != nil || result != "pong" {
		t.Errorf("Call of the first server = %q, %v, want pong", result, err)
	}

	dead := filepath.Join(filepath.Dir(path), "dead.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if err := Call(t.Context(), dead, "GET /ping", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Call of a dead server = %v, want %v", err, ErrNotRunning)
	}
	server, err := Listen(t.Context(), dead, log)
	if err != nil {
		t.Fatalf("Listen at the path of a dead server = %v, want a server", err)
	}
	server.Close()
}

// If several servers start at the same time, one of them gets the socket.
func TestListenConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control", "s")
	var starting sync.WaitGroup
	servers := make(chan *Server, 8)
	for range cap(servers) {
		starting.Go(func() {
			server, err := Listen(t.Context(), path, slog.New(slog.DiscardHandler))
			if err == nil {
				servers <- server
			} else if !errors.Is(err, ErrRunning) {
				t.Errorf("Listen = %v, want a server or %v", err, ErrRunning)
			}
		})
	}
	starting.Wait()
	if len(servers) != 1 {
		t.Errorf("%d servers got the socket, want 1", len(servers))
	}
	for range len(servers) {
		(<-servers).Close()
	}
}

// Paths at which a socket is impossible or unsafe are refused with a remedy, and nothing there is changed.
func TestListenRefusesBadPaths(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file, open, link := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "open"), filepath.Join(dir, "link")
	for _, err := range []error{
		os.WriteFile(file, []byte("mine"), 0o600), os.Mkdir(open, 0o700), os.Chmod(open, 0o710), os.Symlink(dir, link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ path, want string }{
		{file, "not a socket, and is kept"},
		{filepath.Join(open, "s"), "its mode is 0710; close it with chmod 700"},
		{filepath.Join(link, "s"), "not a directory"},
		{filepath.Join(dir, "none", "none", "s"), "no such file"},
		{filepath.Join(dir, strings.Repeat("x", maxPath)), "the system takes 107 at most"},
	} {
		if _, err := Listen(t.Context(), row.path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("Listen(%s) = %v, want %q", row.path, err, row.want)
		}
	}
	if text, err := os.ReadFile(file); string(text) != "mine" {
		t.Errorf("the file at the path = %q, %v, want it unchanged", text, err)
	}
}

// Close does not remove the socket of another server that has replaced it.
func TestCloseKeepsOtherSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control", "s")
	log := slog.New(slog.DiscardHandler)
	first, err := Listen(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket of the second server: %v, want it there", err)
	}
}

// TestMain runs the tests, or acts as another process of this program, which lives until its input ends.
func TestMain(m *testing.M) {
	if os.Getenv("CONTROL_TEST_LIVES") != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	m.Run()
}

// startProcess starts a process that lives until end is called.
func startProcess(t *testing.T, program string, arguments ...string) (pid int, end func()) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Env = append(os.Environ(), "CONTROL_TEST_LIVES=1")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		input.Close()
		_ = command.Wait() // how it ends does not matter
	})
	t.Cleanup(end)
	return command.Process.Pid, end
}

// The PID file of a dead process is overwritten; that of a living one and files with other contents are kept.
func TestWritePID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "perigee.pid")
	live, end := startProcess(t, os.Args[0])
	stranger, _ := startProcess(t, "cat")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(strconv.Itoa(live) + "\n")
	if _, err := WritePID(path); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), fmt.Sprintf("as process %d:", live)) {
		t.Errorf("WritePID over a living server's = %v, want %v and process %d", err, ErrRunning, live)
	}
	put("[server]\n")
	if _, err := WritePID(path); err == nil || !strings.Contains(err.Error(), "does not hold the number of a process, and is kept") {
		t.Errorf("WritePID over another file = %v, want it refused", err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	testkit.MakePipe(t, pipe)
	if _, err := WritePID(pipe); err == nil || !strings.Contains(err.Error(), "does not hold the number of a process, and is kept") {
		t.Errorf("WritePID over a pipe = %v, want it refused", err)
	}
	end()
	for name, text := range map[string]string{
		"a dead server's": strconv.Itoa(live), "another program's": strconv.Itoa(stranger),
		"its own": strconv.Itoa(os.Getpid()) + "\n", "an empty one": "",
	} {
		put(text)
		remove, err := WritePID(path)
		if err != nil {
			t.Errorf("WritePID over %s = %v, want it written", name, err)
			continue
		}
		if written, err := os.ReadFile(path); string(written) != strconv.Itoa(os.Getpid())+"\n" {
			t.Errorf("WritePID over %s: the file = %q, %v, want %d", name, written, err, os.Getpid())
		}
		if err := remove(); err != nil {
			t.Errorf("removing the file: %v", err)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
			t.Errorf("afterwards the directory holds %v, %v, want nothing", left, err)
		}
	}
	remove, err := WritePID(path)
	if err != nil {
		t.Fatal(err)
	}
	put("1\n")
	if err := remove(); err != nil {
		t.Errorf("remove of a file with another PID = %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the other server's file: %v, want it there", err)
	}
}
