package engine_test

import (
	"context"
	"errors"
	"fmt"
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

// ask asks for a WebSocket at a path, and returns the status of the answer.
func ask(ctx context.Context, server *enginetest.Server, path, session string) (status int, err error) {
	url := "http" + strings.TrimPrefix(strings.TrimSuffix(server.Socket, "/"), "ws") + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Cookie": "session=" + session,
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// A connect hook that waits for ever, loops, fails or returns nonsense costs only the client that it is called for. Others connect, with
// the fields that the hook has given them, and the log shows no cookie.
func TestConnectHook(t *testing.T) {
	server := application(t, gate, func(c *config.Config) {
		c.Server.Protocols = []string{"chat"}
		c.Lua.TurnTimeout = config.Duration(200 * time.Millisecond)
		c.Server.LogLevel = "debug"
	})
	const secret = "hidden-session"
	var waiting sync.WaitGroup
	defer waiting.Wait()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range 50 {
		waiting.Go(func() {
			if status, err := ask(ctx, server, "/waits", secret); !errors.Is(err, context.Canceled) {
				t.Errorf("/waits: status %d, %v, want no answer before the client leaves", status, err)
			}
		})
	}
	for path, want := range map[string]int{
		"/loops": http.StatusInternalServerError, "/errors": http.StatusInternalServerError, "/nonsense": http.StatusInternalServerError,
		"/refused": http.StatusUnauthorized,
	} {
		if status, err := ask(t.Context(), server, path, secret); status != want {
			t.Errorf("%s: status %d, %v, want %d", path, status, err, want)
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
	for _, want := range []string{"broken", "the connect hook returned a number", "lua.turn_timeout"} {
		if !strings.Contains(server.Log(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if strings.Contains(server.Log(), secret) {
		t.Error("the log has the cookie")
	}
}

// A field that the connect hook returns under almost the name of one of the server's is logged once, with the place.
func TestConnectFields(t *testing.T) {
	server := application(t, `
function app:connect()
  return {
    user = "7", roles = {}, data = {}, -- right
    role = "agent", users = "7", rolls = {}, Roles = {}, user_id = 7, -- wrong
    date = 1, score = 2, used = 3, room = "tea", name = "Ann", id = 4, -- fields of its own
  }
end`, nil)
	for range 2 {
		server.Open(t, "alice", nil).Expect("ConnectionEstablished")
	}
	const warning = "whose name is similar"
	for field, similar := range map[string]string{"role": "roles", "users": "user", "rolls": "roles", "Roles": "roles", "user_id": "user"} {
		if want := fmt.Sprintf("field=%s did_you_mean=%s", field, similar); strings.Count(server.Log(), want) != 1 {
			t.Errorf("the log has not once %q:\n%s", want, server.Log())
		}
	}
	if log := server.Log(); strings.Count(log, warning) != 5 || !strings.Contains(log, "app.lua:8 field=users") {
		t.Errorf("the log is\n%s\nwant five warnings with their place", log)
	}
}

// A client whose connect hook takes too long hears 503, and the log names the limit.
func TestSlowConnectHook(t *testing.T) {
	server := application(t, gate, func(c *config.Config) { c.Limits.HandshakeTimeout = config.Duration(2 * time.Second) })
	if status, err := ask(t.Context(), server, "/waits", ""); status != http.StatusServiceUnavailable {
		t.Errorf("/waits: status %d, %v, want 503", status, err)
	}
	if log := server.Log(); !strings.Contains(log, "limits.handshake_timeout") {
		t.Errorf("the log is %s, want the limit in it", log)
	}
}
