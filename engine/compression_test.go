package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// A client that offers compression and one that does not understand each other. A reload turns it on for new connections.
func TestCompression(t *testing.T) {
	server := enginetest.Start(t, nil)
	bob := server.Dial(t, "bob")
	bob.Expect("UpdatePrizes")
	dial := func(want string) *websocket.Conn {
		t.Helper()
		dialer := websocket.Dialer{HandshakeTimeout: testkit.Timeout, EnableCompression: true}
		socket, response, err := dialer.DialContext(t.Context(), server.Socket, http.Header{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.Close() })
		if got := response.Header.Get("Sec-WebSocket-Extensions"); got != want {
			t.Errorf("the answer to an offer of compression = %q, want %q", got, want)
		}
		return socket
	}
	dial("")
	server.Set(func(c *config.Config) { c.Server.Compression = true })
	if _, err := server.Control.Reload(t.Context()); err != nil {
		t.Fatalf("Reload = %v", err)
	}
	socket := dial("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	join := `{"name":"JoinAsPlayer","registration":{"name":{"first":"Alice","last":"A."},"email":"alice@example.com"},"more":"` +
		strings.Repeat("long enough to be compressed, ", 20) + `"}`
	if err := socket.WriteMessage(websocket.TextMessage, []byte(join)); err != nil {
		t.Fatal(err)
	}
	if err := socket.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		t.Fatal(err)
	}
	for text := ""; !strings.Contains(text, "UpdateConnections") || !strings.Contains(text, "alice@example.com"); {
		_, frame, err := socket.ReadMessage()
		if err != nil {
			t.Fatalf("read: %v, want the roster with alice", err)
		}
		text = string(frame)
	}
	bob.Eventually("UpdateConnections", func(f enginetest.Frame) bool {
		all, _ := f["connections"].(map[string]any)
		return len(all) == 3
	})
}
