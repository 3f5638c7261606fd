package browser

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// cutter passes TCP connections on to a server until they are cut.
type cutter struct {
	// URL is what the server's URL is through the cutter.
	URL string

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// newCutter starts a cutter before the server with a URL.
func newCutter(t *testing.T, url string) *cutter {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{URL: "http://" + listener.Addr().String() + "/", conns: map[net.Conn]bool{}}
	server := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			out, err := new(net.Dialer).DialContext(t.Context(), "tcp", server)
			if err != nil {
				_ = in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				c.add(pair[0])
				running.Go(func() {
					_, _ = io.Copy(pair[1], pair[0])
					_, _ = pair[0].Close(), pair[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.Cut()
		running.Wait()
	})
	return c
}

func (c *cutter) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[conn] = true
}

// Cut closes all connections.
func (c *cutter) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
	clear(c.conns)
}
