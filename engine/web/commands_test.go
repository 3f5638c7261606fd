package web

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// oneConnection is a listener that accepts one connection.
type oneConnection chan net.Conn

func (l oneConnection) Accept() (net.Conn, error) {
	if c, open := <-l; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (oneConnection) Close() error   { return nil }
func (oneConnection) Addr() net.Addr { return nil }

// slow is a runner whose commands take a minute.
type slow struct{}

func (slow) Command(context.Context, string, []byte) ([]byte, *wire.Exception) {
	time.Sleep(time.Minute)
	return []byte(`"done"`), nil
}

// A command is answered even if it ends after the deadline for writing pages and after its own: as after the machine stood still.
func TestLateCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := make(oneConnection, 1)
		l <- theirs
		close(l)
		server := &http.Server{
			ReadHeaderTimeout: time.Second, WriteTimeout: time.Second, Handler: New(Options{
				Socket: http.NotFoundHandler(), Commands: Commands{Runner: slow{}, MaxBody: 100, Timeout: time.Second},
				Auth: Authenticator{
					CheckRequest: func(http.ResponseWriter, *http.Request) (auth.Peer, bool) { return auth.Peer{}, true },
					Matches:      func(auth.Peer, string) (auth.Grant, bool) { return auth.AdminGrant(), true },
				},
			}),
		}
		go func() { _ = server.Serve(l) }()
		if _, err := fmt.Fprint(ours, "POST /api/commands/Wait HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(ours), nil)
		if err != nil {
			t.Fatalf("the answer: %v, want 200", err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("the answer: %s, want 200", answer.Status)
		}
		_ = ours.Close()
		_ = server.Close()
	})
}
