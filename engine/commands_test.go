package engine_test

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/scripts"
)

const commandKey = "correct horse battery"

// commandServer starts a server with commands that fail, wait and reply.
func commandServer(t *testing.T, change func(c *config.Config)) *enginetest.Server {
	t.Helper()
	dir := t.TempDir()
	source := `
local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  server.command("Add", function(a) return { sum = a.x + a.y } end)
  server.command("Nothing", function() end)
  server.command("Checked", { schema = {
    required = { "prize" }, properties = { prize = { required = { "name" }, properties = { name = { type = "string" } } } },
  } }, function(a) return a.prize.name end)
  server.command("Refuse", function() server.refuse("the wallet is locked") end)
  server.command("RefuseLater", function() server.next("Refuse") end)
  server.command("RefuseInside", function() server.run("Refuse") end)
  server.command("Caught", function()
    local ok, refusal = pcall(server.run, "Refuse")
    return { ok = ok, reason = refusal.reason, text = tostring(refusal) }
  end)
  server.command("CheckInside", function() server.run("Checked", { prize = {} }) end)
  server.command("Fail", function() error("the wallet is empty") end)
  server.command("Wait", function() server.sleep(20000) return "late" end)
  server.command("Ring", function(a) server.broadcast("Rang", { by = a.by }) end)
end
return app`
	if err := os.WriteFile(filepath.Join(dir, "app.lua"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = dir, "app"
		c.Server.Key = commandKey
		if change != nil {
			change(c)
		}
	})
}

// post requests a command and returns the status and the body of the response.
func post(t *testing.T, server *enginetest.Server, name, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"api/commands/"+name, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("POST %s = %v, want an answer", name, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

// A program with the key can run commands over HTTP, and gets the result as JSON.
func TestCommandsOverHTTP(t *testing.T) {
	server := commandServer(t, func(c *config.Config) { c.Queue.HandlerTimeout = config.Duration(time.Second) })
	key := []string{"Authorization", "Bearer " + commandKey}
	for _, row := range []struct {
		claim, name, body string
		header            []string
		status            int
		want              string // a part of the response
	}{
		{"the result is the answer", "Add", `{"x":1,"y":2}`, key, 200, `{"sum":3}`},
		{"no result is null", "Nothing", "", key, 200, "null"},
		{"arguments that match the schema", "Checked", `{"prize":{"name":"Mug"}}`, key, 200, `"Mug"`},
		{"arguments that do not", "Checked", `{"prize":{"name":5}}`, key, 422, `"exception":"InvalidArguments","message":"prize.name: must be a string`},
		{"arguments that are missing", "Checked", "", key, 422, `"exception":"InvalidArguments","message":"prize: is missing`},
		{"a refusal", "Refuse", "{}", key, 409, `{"exception":"Refused","message":"the wallet is locked","code":409}`},
		{"a refusal of a command inside", "RefuseInside", "{}", key, 409, `{"exception":"Refused","message":"the wallet is locked","code":409}`},
		{"a refusal that is caught", "Caught", "{}", key, 200, `{"ok":false,"reason":"the wallet is locked","text":"the wallet is locked"}`},
		{"wrong arguments inside are a bug", "CheckInside", "{}", key, 500, `"exception":"HandlerFailed"`},
		{"no body is an empty object", "Fail", "", key, 500, `"exception":"HandlerFailed","message":"internal error (ref `},
		{"an unknown command", "Nowhere", "{}", key, 404, `"exception":"UnknownCommand","message":"unknown command Nowhere"`},
		{"arguments that are no JSON", "Add", "{x}", key, 422, `"exception":"InvalidArguments"`},
		{"arguments that are a list", "Add", " [1]", key, 422, `"message":"the arguments must be a JSON object, found a list"`},
		{"arguments without measure", "Add", `"` + strings.Repeat("x", 1<<20) + `"`, key, 413, `"exception":"ArgumentsTooLarge"`},
		{"a command that waits too long", "Wait", "{}", key, 500, `"exception":"HandlerFailed"`},
		{"no key", "Add", "{}", nil, 401, `"exception":"Unauthorized"`},
		{"another key", "Add", "{}", []string{"Authorization", "Bearer guess"}, 401, `"exception":"Unauthorized"`},
		{"the key in another scheme", "Add", "{}", []string{"Authorization", "Basic " + commandKey}, 401, `"exception":"Unauthorized"`},
		{"a page of another origin", "Add", "{}", append([]string{"Origin", "https://evil.example"}, key...), 403, "origin not allowed"},
	} {
		status, text := post(t, server, row.name, row.body, row.header...)
		if status != row.status || !strings.Contains(text, row.want) {
			t.Errorf("%s: POST %s = %d %s, want %d and %s", row.claim, row.name, status, text, row.status, row.want)
		}
	}
	log := server.Log()
	for _, want := range []string{"the wallet is empty", "longer than queue.handler_timeout, 1s"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log is %s, want %q in it", log, want)
		}
	}
	if strings.Contains(log, "wallet is locked") {
		t.Errorf("the log is %s, want no refusal in it: the program has it", log)
	}
	if want := `the arguments of command \"Checked\": prize.name: is missing`; !strings.Contains(log, want) {
		t.Errorf("the log is %s, want %q in it", log, want)
	}
	if strings.Contains(log, commandKey) {
		t.Errorf("the log is %s, want the key nowhere", log)
	}
}

// A program with a key of its own runs its commands, and nothing else. A reload reads the key again.
func TestKeysOfPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.key")
	put := func(key string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("the key of the shop")
	server := commandServer(t, func(c *config.Config) {
		c.Keys = map[string]config.ProgramKey{"shop": {KeyFile: file, Commands: []string{"Add", "Nowhere"}}}
	})
	check := func(key, command string, want int) {
		t.Helper()
		status, text := post(t, server, command, `{"x":1,"y":2}`, "Authorization", "Bearer "+key)
		if status != want || want == 403 && text != `{"exception":"NotAllowed","message":"this key does not allow that","code":403}` {
			t.Errorf("POST %s = %d %s, want %d", command, status, text, want)
		}
	}
	check("the key of the shop", "Add", 200)
	check("the key of the shop", "Nowhere", 404)
	check("the key of the shop", "Nothing", 403)
	check("the key of the shop", "Missing", 403) // whether it exists or not
	check(commandKey, "Nothing", 200)
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Authenticate","password":"the key of the shop"}`)
	alice.Expect("PromptForAuthentication")
	put("another key of the shop")
	r, err := server.Control.Reload(t.Context())
	if err != nil || len(r.Settings) != 1 || r.Settings[0].Name != "keys.shop" {
		t.Fatalf("Reload = %+v, %v, want that keys.shop has changed", r, err)
	}
	check("another key of the shop", "Add", 200)
	check("the key of the shop", "Add", 401)
	if log := server.Log(); strings.Contains(log, "key of the shop") {
		t.Errorf("the log is %s, want no key in it", log)
	}
}

// check warns of a key for a command that the scripts do not have.
func TestCheckWarnsOfMissingCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.key")
	if err := os.WriteFile(file, []byte("the key of the shop"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Keys["shop"] = config.ProgramKey{KeyFile: file, Commands: []string{"StopSever", "StopServer", "Nothing"}}
	status, err := engine.Check(t.Context(), engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
	want := []string{
		`keys.shop.commands: the scripts have no command "StopSever"; did you mean "StopServer"?`,
		`keys.shop.commands: the scripts have no command "Nothing"`,
	}
	if err != nil || !slices.Equal(status.Warnings, want) {
		t.Errorf("Check = %q, %v, want %q", status.Warnings, err, want)
	}
}

// Keys of programs that are weak, that are used twice, or that others may read are refused together.
func TestKeysOfProgramsThatAreRefused(t *testing.T) {
	c := config.Default()
	c.Server.Key = commandKey
	dir := t.TempDir()
	for name, key := range map[string]string{"a": "a key of a program", "b": "a key of a program", "admin": commandKey, "short": "short", "open": "an open key of a program"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Keys[name] = config.ProgramKey{KeyFile: file, KeyFileMode: config.KeyFileModeOwner, Commands: []string{"Add"}}
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil { //nolint:gosec // that is what is refused
		t.Fatal(err)
	}
	_, err := engine.Check(t.Context(), engine.Options{Config: c, Log: slog.New(slog.DiscardHandler), Scripts: scripts.Files})
	want := "keys.admin.key_file: the key is that of the admin key, too\nkeys.b.key_file: the key is that of keys.a, too\n" +
		"keys.open.key_file: key file " + filepath.Join(dir, "open") + ": mode 0644 lets users other than its owner read it; " +
		"run chmod 600, or set key_file_mode = \"any\" if it is a mounted secret\nkeys.short.key_file: the key is shorter than 12 bytes"
	if err == nil || err.Error() != want {
		t.Errorf("Check = %v\nwant %s", err, want)
	}
}

// If nobody hears of a refusal, the log has it, as no failure of the scripts.
func TestRefusalOfADelayedCommand(t *testing.T) {
	server := commandServer(t, nil)
	if status, text := post(t, server, "RefuseLater", "", "Authorization", "Bearer "+commandKey); status != http.StatusOK {
		t.Fatalf("POST RefuseLater = %d %s, want 200", status, text)
	}
	logged(t, server, `level=WARN msg="manager: script refused, and nobody hears of it" turn="command Refuse"`, 1)
	if log := server.Log(); strings.Contains(log, "script failed") {
		t.Errorf("the log is %s, want no failure", log)
	}
}

// A command that is requested over HTTP can send messages to clients.
func TestCommandOverHTTPReachesClients(t *testing.T) {
	server := commandServer(t, nil)
	alice := server.Dial(t, "alice")
	if status, text := post(t, server, "Ring", `{"by":"shop"}`, "Authorization", "Bearer "+commandKey); status != http.StatusOK {
		t.Fatalf("POST Ring = %d %s, want 200", status, text)
	}
	if frame := alice.Expect("Rang"); frame["by"] != "shop" {
		t.Errorf("alice < %v, want it by shop", frame)
	}
}

// unread is a body that must not be asked for.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was sent")
	return 0, io.EOF
}

// A body that is too large by its header is refused before it is sent.
func TestLargeCommandIsRefusedByItsHeader(t *testing.T) {
	server := commandServer(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"api/commands/Add", unread{t})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 1 << 40
	r.Header.Set("Authorization", "Bearer "+commandKey)
	r.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: testkit.Timeout}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("POST of %d bytes = %s, want 413", r.ContentLength, answer.Status)
	}
}

// The arguments may come in chunks. Such a request is the last of its connection.
func TestCommandInChunks(t *testing.T) {
	server := commandServer(t, nil)
	body := io.MultiReader(strings.NewReader(`{"x":1,`), strings.NewReader(`"y":2}`)) // of no known length
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"api/commands/Add", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+commandKey)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK || string(text) != "{\"sum\":3}\n" || err != nil || !answer.Close {
		t.Errorf("arguments in chunks: %s %q, %v, want 200 with the sum, and the end of the connection", answer.Status, text, err)
	}
}
