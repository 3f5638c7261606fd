package engine_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// gate is an application with a hostile connect hook.
const gate = `
function app:connect(request)
  local how = request.path
  if how == "/waits" then
    server.promise(function() end):await()
  elseif how == "/loops" then
    while true do end
  elseif how == "/errors" then
    error("broken")
  elseif how == "/nonsense" then
    return 7
  elseif how == "/refused" then
    return false, 401, "sign in first"
  end
  return { user = request.cookies.session, data = { path = how } }
end
function app:boot()
  base.boot(self)
  server.message("Who", { protection = "none" }, function(client)
    client:send("You", {
      user = client.user, path = client.data.path, session = client.request.cookies.session, protocol = client.protocol,
      kind = client.request.headers["x-kind"],
    })
  end)
end`

// ask asks for a WebSocket at a path, and returns the status of the answer; 0 if there was none.
func ask(t *testing.T, server *enginetest.Server, path, session string) int {
	t.Helper()
	url := "http" + strings.TrimPrefix(strings.TrimSuffix(server.Socket, "/"), "ws") + path
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Error(err)
		return 0
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Cookie": "session=" + session,
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}

// A connect hook that waits for ever, loops, fails or returns nonsense costs only the client that it is called for. Others connect, with
// the fields that the hook has given them, and the log shows no cookie.
func TestConnectHook(t *testing.T) {
	server := application(t, gate, func(c *config.Config) {
		c.Server.Protocols = []string{"chat"}
		c.Limits.HandshakeTimeout = config.Duration(5 * time.Second)
		c.Lua.TurnTimeout = config.Duration(200 * time.Millisecond)
		c.Server.LogLevel = "debug"
	})
	const secret = "hidden-session"
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if status := ask(t, server, "/waits", secret); status != http.StatusServiceUnavailable {
				t.Errorf("/waits: status %d, want 503", status)
			}
		})
	}
	for path, want := range map[string]int{
		"/loops": http.StatusInternalServerError, "/errors": http.StatusInternalServerError, "/nonsense": http.StatusInternalServerError,
		"/refused": http.StatusUnauthorized,
	} {
		if status := ask(t, server, path, secret); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	alice := server.Open(t, "alice", http.Header{
		"Cookie": {"session=" + secret}, "X-Kind": {"test"}, "Sec-Websocket-Protocol": {"other, chat"},
	})
	alice.Expect("ConnectionEstablished")
	alice.Send(`{"name":"Who"}`)
	f := alice.Expect("You")
	if f["user"] != secret || f["session"] != secret || f["path"] != "/" || f["protocol"] != "chat" || f["kind"] != "test" {
		t.Errorf("the connection has %v, want what the hook gave it, and its request", f)
	}
	waiting.Wait()
	for _, want := range []string{"broken", "the connect hook returned a number", "lua.turn_timeout", "limits.handshake_timeout"} {
		if !strings.Contains(server.Log(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if strings.Contains(server.Log(), secret) {
		t.Error("the log has the cookie")
	}
}
