package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/scripts"
)

// A new client is sent its own connection, the roster and the prizes, in this order. When it joins, it is told so first, and then all
// clients are.
func TestOrderOfFrames(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) { c.Roster.Interval = 0 })
	alice := server.Open(t, "alice", nil)
	for _, want := range []string{"ConnectionEstablished", "UpdateConnections", "UpdatePrizes"} {
		if frame := alice.Next(); frame.Name() != want {
			t.Fatalf("on open alice < %v, want %s", frame, want)
		}
	}
	alice.Send(`{"name":"JoinAsPlayer","registration":{"name":{"first":"A","last":"B"},"email":"a@example.com"}}`)
	var got []string
	for len(got) < 2 {
		if name := alice.Next().Name(); name != "CurrentUptime" {
			got = append(got, name)
		}
	}
	if want := "ConnectionRegistered UpdateConnections"; strings.Join(got, " ") != want {
		t.Errorf("on join alice < %v, want %s", got, want)
	}
}

// A frame to a client has the fields of the message, and an id, a name and a timestamp.
func TestEnvelope(t *testing.T) {
	server := enginetest.Start(t, nil)
	frame := server.Open(t, "alice", nil).Next()
	id, _ := frame["id"].(string)
	timestamp, _ := frame["timestamp"].(float64)
	if len(id) != 36 || id[14] != '4' {
		t.Errorf("id = %q, want a UUIDv4", id)
	}
	if age := time.Since(time.UnixMicro(int64(timestamp * 1e6))); age < -time.Hour || age > time.Hour {
		t.Errorf("timestamp = %v, want seconds since 1970", timestamp)
	}
}

// A frame that cannot be a message closes its connection, and no other, with a code that says why.
func TestFramesThatEndAConnection(t *testing.T) {
	server := enginetest.Start(t, nil)
	witness := server.Dial(t, "witness")
	rows := []struct {
		name string
		send func(c *enginetest.Client)
		code int
		why  string
	}{
		{"binary frame", func(c *enginetest.Client) { c.SendBinary([]byte(`{"name":"x"}`)) }, 1003, "binary messages are not accepted"},
		{"invalid UTF-8", func(c *enginetest.Client) { c.Send("{\"name\":\"\xff\"}") }, 1007, "invalid UTF-8"},
		{"too large", func(c *enginetest.Client) { _ = c.TrySend(`{"name":"` + strings.Repeat("x", 10<<20) + `"}`) }, 1009, "message larger than 65536 bytes"},
	}
	for _, row := range rows {
		c := server.Dial(t, row.name)
		row.send(c)
		if code, why := c.ExpectClose(); code != row.code || why != row.why {
			t.Errorf("%s: closed with %d %q, want %d %q", row.name, code, why, row.code, row.why)
		}
	}
	witness.Expect("UpdatePrizes")
	witness.ExpectNothing()
}

// A client that sends only invalid messages, as fast as it can, is closed for that or for its rate, and other clients are not
// affected.
func TestThousandBadFrames(t *testing.T) {
	server := enginetest.Start(t, nil)
	witness := server.Dial(t, "witness")
	bad := server.Dial(t, "bad")
	for range 1000 {
		if bad.TrySend("bad") != nil {
			break
		}
	}
	if code, why := bad.ExpectClose(); code != 1008 && code != 4429 {
		t.Errorf("closed with %d %q, want 1008 bad request or 4429 too many messages", code, why)
	}
	witness.Expect("UpdatePrizes")
	witness.ExpectNothing()
}

// One client too many is refused, and the others are not affected.
func TestServerFull(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) { c.Server.MaxConnections = 2 })
	alice := server.Dial(t, "alice")
	server.Dial(t, "bob")
	alice.Expect("UpdatePrizes")
	late := server.Open(t, "late", nil)
	if frame := late.Next(); frame.Name() != "MessageException" || frame["exception"] != "TooManyConnections" || frame["code"] != 503.0 {
		t.Errorf("late < %v, want MessageException TooManyConnections 503", frame)
	}
	if code, why := late.ExpectClose(); code != 1013 || why != "server is full" {
		t.Errorf("late closed with %d %q, want 1013 server is full", code, why)
	}
	alice.Eventually("UpdateConnections", func(f enginetest.Frame) bool {
		connections, _ := f["connections"].(map[string]any)
		return len(connections) == 2
	})
}

// A server that stops sends queued frames, closes the connections with 1001, and leaves nothing running.
func TestStop(t *testing.T) {
	before := runtime.NumGoroutine()
	server := enginetest.Start(t, nil)
	clients := make([]*enginetest.Client, 20)
	for i := range clients {
		clients[i] = server.Dial(t, "client")
	}
	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	for _, c := range clients {
		if code, why := c.ExpectClose(); code != 1001 || why != "server shutting down" {
			t.Errorf("closed with %d %q, want 1001 server shutting down", code, why)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	deadline := time.Now().Add(testkit.Timeout)
	for runtime.NumGoroutine() > before+len(clients)+2 { // the readers of the clients belong to the test
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines: %d before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}

// An admin can stop the server in order; the clients are told to reconnect. Without a supervisor, answer and log say that nothing
// starts the server again.
func TestStopServer(t *testing.T) {
	server := enginetest.Start(t, nil)
	admin := server.Dial(t, "admin")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	admin.Expect("UpdatePrizes")
	admin.Expect("ConnectionAuthenticated")
	admin.Send(`{"name":"StopServer","id":"a1"}`)
	if frame := admin.Expect("MessageException"); frame["exception"] != "NoSupervisor" || frame["previous"] != "a1" {
		t.Errorf("admin < %v, want that there is no supervisor", frame)
	}
	if code, why := admin.ExpectClose(); code != 1012 || why != "server restarting" {
		t.Errorf("closed with %d %q, want 1012 server restarting", code, why)
	}
	if !strings.Contains(server.Log(), "no supervisor was recognized") {
		t.Errorf("the log does not say that there is no supervisor:\n%s", server.Log())
	}
	if err := server.Wait(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

// The page and the health check are served beside the WebSocket.
func TestPage(t *testing.T) {
	server := enginetest.Start(t, nil)
	rows := []struct{ path, want string }{
		{"", "<!doctype html>"}, {"app.js", "import"}, {"healthz", "ok"}, {"readyz", "ready"},
	}
	for _, row := range rows {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK || !strings.Contains(strings.ToLower(string(body)), strings.ToLower(row.want)) {
			t.Errorf("GET /%s = %d %.100q, want 200 with %q in it", row.path, response.StatusCode, body, row.want)
		}
	}
}

// With a weak key the server listens only on this machine.
func TestDefaultKey(t *testing.T) {
	rows := []struct {
		address, console, key string
		refused               bool
	}{
		{"127.0.0.1", "", "password", false},
		{"::1", "", "password", false},
		{"localhost", "", "", false},
		{"0.0.0.0", "", "password", true},
		{"0.0.0.0", "", "", true},
		{"0.0.0.0", "", "short", true},
		{"::", "", "password", true},
		{"127.0.0.1", "[::1]:0", "password", false},
		{"127.0.0.1", "0.0.0.0:0", "password", true},
		{"127.0.0.1", ":0", "password", true},
		{"203.0.113.7", "", "password", true},
	}
	for _, row := range rows {
		c := config.Default()
		c.Server.Address, c.Server.Key, c.Lua.Path = row.address, config.Secret(row.key), ""
		c.Console.Address = row.console
		_, err := engine.Check(t.Context(), engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
		if refused := errors.Is(err, engine.ErrDefaultKey); refused != row.refused {
			t.Errorf("Check with %s, console %q and key %q = %v, want refused %v", row.address, row.console, row.key, err, row.refused)
		}
	}
}

// The key is in no log and in no frame.
func TestKeyStaysSecret(t *testing.T) {
	const canary = "S3CRET-canary-123456"
	server := enginetest.Start(t, func(c *config.Config) { c.Server.Key = canary })
	alice := server.Dial(t, "alice")
	alice.Expect("UpdatePrizes")
	alice.Send(`{"name":"AddPrize","password":"` + canary + `"}`)
	if frame := alice.Expect("PromptForAuthentication"); strings.Contains(toString(frame), canary) {
		t.Errorf("alice < %v, want no password in it", frame)
	}
	alice.Send(`{"name":"Authenticate","password":"` + canary + `"}`)
	alice.Expect("ConnectionAuthenticated")
	alice.Send(`{"name":"Authenticate","password":"` + canary + `x"}`)
	if frame := alice.Expect("PromptForAuthentication"); strings.Contains(toString(frame), canary) {
		t.Errorf("alice < %v, want no password in it", frame)
	}
	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if strings.Contains(server.Log(), canary) {
		t.Errorf("the log has the key in it:\n%s", server.Log())
	}
}

func toString(f enginetest.Frame) string {
	var b strings.Builder
	for k, v := range f {
		b.WriteString(k)
		b.WriteString(" ")
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case map[string]any:
			b.WriteString(toString(v))
		}
	}
	return b.String()
}

// Scripts with a mistake do not start, and the error has the mistake and its place.
func TestBrokenScripts(t *testing.T) {
	const head = "local base = require(\"manager\")\nlocal server = require(\"server\")\nlocal app = base:extend()\n"
	rows := []struct{ name, app, want string }{
		{"syntax", head + "function app:boot(\n", "scripts/app.lua:5"},
		{"boot fails", head + "function app:boot() error(\"no luck\") end return app", "scripts/app.lua:4: no luck"},
		{"no protection", head + "function app:boot()\nserver.message(\"Ring\", {}, print) end return app", "scripts/app.lua:5: message \"Ring\": protection"},
		{"unknown protection", head + "function app:boot()\nserver.message(\"Ring\", { protection = \"all\" }, print) end return app", "scripts/app.lua:5"},
		{"client without owner", head + "function app:boot()\nserver.message(\"Ring\", { protection = \"client\" }, print) end return app", "needs owner"},
		{"unknown option", head + "function app:boot()\nserver.message(\"Ring\", { protect = \"none\" }, print) end return app", "unknown option \"protect\""},
		{"bad schema", head + "function app:boot()\nserver.message(\"Ring\", { protection = \"none\", schema = { properties = { by = { tipe = \"string\" } } } }, print) end return app", `scripts/app.lua:5: message "Ring": schema: properties.by: unknown keyword "tipe"; did you mean "type"?`},
		{"schema from elsewhere", head + "function app:boot()\nserver.message(\"Ring\", { protection = \"none\", schema = { [\"$ref\"] = \"file:///etc/passwd\" } }, print) end return app", "scripts/app.lua:5: message \"Ring\": schema: \"file:///etc/passwd\": a schema refers only to itself"},
		{"schema that is no table", head + "function app:boot()\nserver.message(\"Ring\", { protection = \"none\", schema = \"x\" }, print) end return app", "scripts/app.lua:5: message \"Ring\": schema is a string"},
		{"twice", head + "function app:boot()\nbase.boot(self)\nserver.message(\"JoinAsPlayer\", { protection = \"none\" }, print) end return app", "twice"},
		{"missing module", head + "require(\"nowhere\") return app", "module \"nowhere\" not found"},
		{"module name", head + "require(\"../../etc/passwd\") return app", "not a module name"},
		{"requires itself", "return require(\"app\")", "app -> app"},
		{"no manager", "return 7", "must return its manager"},
		{"endless", "while true do end", "scripts/app.lua:1"},
		{"unknown listener", head + "function app:boot() server.listen(\"Nope\", \"Nope\") end return app", "Nope"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "scripts")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "app.lua"), []byte(row.app), 0o600); err != nil {
				t.Fatal(err)
			}
			c := config.Default()
			c.Lua.Path, c.Lua.Manager = dir, "app"
			if row.name == "endless" {
				c.Lua.BootTimeout = config.Duration(200 * time.Millisecond)
			}
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
			defer cancel()
			_, err := engine.Check(ctx, engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Check = %v, want an error with %q", err, row.want)
			}
		})
	}
}

// A manager cannot have the name of a built-in module.
func TestManagerNamedAsModule(t *testing.T) {
	for _, name := range []string{"server", "http", "json", "log"} {
		c := config.Default()
		c.Lua.Path, c.Lua.Manager = "", name
		_, err := engine.Check(t.Context(), engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
		if want := "is a module of the server"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check with the manager %q = %v, want an error with %q", name, err, want)
		}
	}
}
