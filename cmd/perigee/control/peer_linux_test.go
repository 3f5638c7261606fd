package control

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A client of another user gets status 403, by its credentials from the kernel, even if file modes let it connect.
func TestOtherUser(t *testing.T) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	path := serve(t, map[string]Operation{
		"GET /ping": func(context.Context, json.RawMessage) (any, error) { return "pong", nil },
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
		for _, request := range []string{"GET /ping", "OPTIONS *"} {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Errorf("Dial as user %d = %v, want a connection", nobody, err)
				return
			}
			if _, err := io.WriteString(conn, request+" HTTP/1.1\r\nHost: perigee\r\n\r\n"); err != nil {
				t.Error(err)
			}
			text, err := io.ReadAll(conn)
			if !strings.HasPrefix(string(text), "HTTP/1.1 403 ") || !strings.Contains(string(text), "of user 65534 is refused") {
				t.Errorf("response to %s of user %d = %q, %v, want status 403 and no pong", request, nobody, text, err)
			}
			conn.Close()
		}
	})
	calling.Wait()
}
