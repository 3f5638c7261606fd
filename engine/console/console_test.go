package console_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

const key = "correct horse battery"

// serve runs a server with an application that has this text as its boot.
func serve(t *testing.T, boot string, change func(c *config.Config)) *enginetest.Server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "scripts")
	source := "local base = require(\"manager\")\nlocal server = require(\"server\")\nlocal log = require(\"log\")\nlocal app = base:extend()\n" +
		"function app:boot()\nbase.boot(self)\n" + boot + "\nend\nreturn app, log\n"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "app.lua"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager, c.Server.Key = dir, "app", key
		if change != nil {
			change(c)
		}
	})
}

// request sends a request to the console and returns the answer and its body.
func request(t *testing.T, server *enginetest.Server, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.Status.Console+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s = %v, want an answer", method, path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// ask sends a request with the key, checks the status, and returns the body.
func ask(t *testing.T, server *enginetest.Server, status int, method, path, body string) string {
	t.Helper()
	answer, text := request(t, server, method, path, body, "Authorization", "Bearer "+key)
	if answer.StatusCode != status {
		t.Errorf("%s %s = %d %s, want %d", method, path, answer.StatusCode, text, status)
	}
	return text
}

// get returns the JSON that the console answers with.
func get[T any](t *testing.T, server *enginetest.Server, path string) (v T) {
	t.Helper()
	text := ask(t, server, http.StatusOK, "GET", path, "")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("GET %s = %s, %v, want JSON", path, text, err)
	}
	return v
}

// command runs a command as another program does.
func command(t *testing.T, server *enginetest.Server, name, arguments string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"api/commands/"+name, strings.NewReader(arguments))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("POST of %s = %v, want an answer", name, err)
	}
	_ = answer.Body.Close()
}

// contains fails unless a text has all of these parts.
func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s = %s, want %s in it", what, text, part)
		}
	}
}

// Only the admin key, or a session that was opened with it, gets in, also on this machine; no page can frame the console.
func TestDoor(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "shop.key")
	if err := os.WriteFile(keyFile, []byte("a key for the shop"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := serve(t, "", func(c *config.Config) {
		c.Keys = map[string]config.ProgramKey{"shop": {KeyFile: keyFile, KeyFileMode: "owner", Commands: []string{"Add"}}}
	})
	for _, row := range []struct {
		claim  string
		status int
		header []string
	}{
		{"no key", 401, nil},
		{"a wrong key", 401, []string{"Authorization", "Bearer guess"}},
		{"the key in another scheme", 401, []string{"Authorization", "Basic " + key}},
		{"the key of a program", 403, []string{"Authorization", "Bearer a key for the shop"}},
		{"the key", 200, []string{"Authorization", "Bearer " + key}},
		{"the key from a page elsewhere", 403, []string{"Authorization", "Bearer " + key, "Origin", "https://evil.example"}},
		{"a token of no session", 401, []string{"Authorization", "Bearer perigee-session-x"}},
	} {
		answer, text := request(t, server, "GET", "api/overview", "", row.header...)
		if answer.StatusCode != row.status {
			t.Errorf("GET api/overview with %s = %d %s, want %d", row.claim, answer.StatusCode, text, row.status)
		}
		if csp := answer.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") ||
			answer.Header.Get("Cross-Origin-Opener-Policy") != "same-origin" || answer.Header.Get("Cache-Control") != "no-store" || len(answer.Cookies()) > 0 {
			t.Errorf("GET api/overview with %s has the headers %v, want none that lets others in", row.claim, answer.Header)
		}
	}
	if _, text := request(t, server, "GET", "", ""); !strings.Contains(text, "api/overview") {
		t.Errorf("GET of the console = %s, want its API named", text)
	}
	ask(t, server, http.StatusNotFound, "GET", "api/nothing", "")
	ask(t, server, http.StatusNotFound, "POST", "api/overview", "")
}

// signIn opens a session and returns its token.
func signIn(t *testing.T, server *enginetest.Server, body string) (status int, token string) {
	t.Helper()
	answer, text := request(t, server, "POST", "session", body)
	var session struct{ Token string }
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		t.Fatalf("POST session = %s, %v, want JSON", text, err)
	}
	return answer.StatusCode, session.Token
}

// A key or a ticket opens a session. It ends when it is closed, or when the key changes; a ticket opens only one.
func TestSession(t *testing.T) {
	server := serve(t, "", nil)
	expect := func(status int, token string) {
		t.Helper()
		if answer, text := request(t, server, "GET", "api/overview", "", "Authorization", "Bearer "+token); answer.StatusCode != status {
			t.Errorf("GET api/overview with a token = %d %s, want %d", answer.StatusCode, text, status)
		}
	}
	for _, body := range []string{`{"key":"guess"}`, `{"ticket":"guess"}`, `{}`} {
		if status, token := signIn(t, server, body); status != http.StatusUnauthorized || token != "" {
			t.Errorf("POST session %s = %d, want 401", body, status)
		}
	}
	if status, _ := signIn(t, server, `x`); status != http.StatusUnprocessableEntity {
		t.Errorf("POST session x = %d, want 422", status)
	}
	_, token := signIn(t, server, `{"key":"`+key+`"}`)
	expect(http.StatusOK, token)
	request(t, server, "DELETE", "session", "", "Authorization", "Bearer "+token)
	expect(http.StatusUnauthorized, token)
	c, err := server.Control.Console()
	if err != nil {
		t.Fatal(err)
	}
	ticket := `{"ticket":"` + c.Ticket() + `"}`
	_, token = signIn(t, server, ticket)
	expect(http.StatusOK, token)
	if status, _ := signIn(t, server, ticket); status != http.StatusUnauthorized {
		t.Errorf("POST session with a used ticket = %d, want 401", status)
	}
	server.Set(func(c *config.Config) { c.Server.Key = "another key of this server" })
	if _, err := server.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(http.StatusUnauthorized, token)
	contains(t, "the log", server.Log(), `msg="console: action" action="sign in" by=127.0.0.1`)
}

// With an address of its own the console is there and nowhere else; disabled it is nowhere.
func TestAddress(t *testing.T) {
	server := serve(t, "", func(c *config.Config) { c.Console.Address, c.Console.Path = "127.0.0.1:0", "/desk/" })
	if !strings.HasSuffix(server.Status.Console, "/desk/") || strings.HasPrefix(server.Status.Console, server.URL) {
		t.Errorf("the console is at %s, want another address than %s", server.Status.Console, server.URL)
	}
	ask(t, server, http.StatusOK, "GET", "api/overview", "")
	for path, server := range map[string]*enginetest.Server{"desk/": server, "console/": serve(t, "", func(c *config.Config) { c.Console.Enabled = false })} {
		server.Status.Console = server.URL
		if answer, text := request(t, server, "GET", path, ""); !strings.Contains(text, "WebSocket server") {
			t.Errorf("GET /%s where the console is not = %d %s, want what any path answers", path, answer.StatusCode, text)
		}
	}
}

// A failure shows its place with the lines around it, the traceback, and the message that caused it without its secrets, under the
// reference that the client was told. The same place again is counted.
func TestFailures(t *testing.T) {
	server := serve(t, `
server.message("Buy", { protection = "none" }, function(client, message)
  local price = nil
  return price.amount -- the bug
end)
server.command("Pay", function(a) error("no account " .. a.iban) end)`, func(c *config.Config) { c.Server.Redact = []string{"pin"} })
	alice := server.Dial(t, "alice")
	var refs []string
	for range 3 {
		alice.Send(`{"name":"Buy","item":"mug","password":"hunter2","PIN":4711,"note":"token=abc123"}`)
		message, _ := alice.Expect("MessageException")["message"].(string)
		refs = append(refs, strings.TrimSuffix(strings.TrimPrefix(message, "internal error (ref "), ")"))
	}
	ref := refs[len(refs)-1]
	type failure struct {
		Ref, Turn, Error, Place, Traceback, UUID, Input string
		Count, Generation                               int
		Source                                          []struct {
			Number int
			Text   string
		}
	}
	list := get[struct {
		Items []failure
		Total int
	}](t, server, "api/failures")
	if len(list.Items) != 1 || list.Total != 1 || list.Items[0].Count != 3 || list.Items[0].Traceback != "" || list.Items[0].Input != "" {
		t.Fatalf("GET api/failures = %+v, want one that came three times, without details", list)
	}
	f := get[failure](t, server, "api/failures/"+ref)
	if f.Place != "scripts/app.lua:10" || f.Turn != "message Buy" && f.Turn != "Buy" || f.UUID != alice.UUID || f.Count != 3 || f.Generation != 1 {
		t.Errorf("GET api/failures/%s = %+v, want the bug in line 10, three times", ref, f)
	}
	contains(t, "the traceback", f.Traceback, "scripts/app.lua:10")
	if want := `{"name":"Buy","item":"mug","password":"[redacted]","PIN":"[redacted]","note":"token=[redacted]"}`; f.Input != want {
		t.Errorf("the message that caused it is %s, want %s", f.Input, want)
	}
	if len(f.Source) != 7 || f.Source[3].Number != 10 || !strings.Contains(f.Source[3].Text, "the bug") {
		t.Errorf("the source around it is %v, want line 10 in the middle of 7", f.Source)
	}
	ask(t, server, http.StatusNotFound, "GET", "api/failures/none", "")
	command(t, server, "Pay", `{"iban":"DE1","secret":"s3"}`)
	f = get[struct{ Items []failure }](t, server, "api/failures").Items[0]
	f = get[failure](t, server, "api/failures/"+f.Ref)
	if f.Turn != "command Pay" || f.Input != `{"iban":"DE1","secret":"[redacted]"}` || !strings.Contains(f.Error, "no account DE1") {
		t.Errorf("the failure of a command is %+v, want its arguments", f)
	}
}

// A reload that fails shows the line in the file.
func TestFailedReload(t *testing.T) {
	server := serve(t, "", nil)
	file := filepath.Join(server.Config.Lua.Path, "app.lua")
	if err := os.WriteFile(file, []byte("local a = 1\nlocal b = = 2\nreturn a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Control.ReloadQuietly(t.Context()); err == nil {
		t.Fatal("a reload of a script with a mistake succeeds")
	}
	list := get[struct {
		Items []struct{ Ref, Turn, Place string }
	}](t, server, "api/failures")
	if len(list.Items) != 1 || list.Items[0].Turn != "reload" || list.Items[0].Place != "scripts/app.lua:2" {
		t.Fatalf("GET api/failures = %+v, want the reload", list)
	}
	contains(t, "the failure", ask(t, server, http.StatusOK, "GET", "api/failures/"+list.Items[0].Ref, ""), `"number":2,"text":"local b = = 2"`)
}

// put puts a job on the queue of a server.
func put(t *testing.T, server *enginetest.Server, body string) {
	t.Helper()
	if _, err := server.Control.PutJob(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(body), Priority: queue.DefaultPriority}); err != nil {
		t.Fatalf("PutJob(%s) = %v, want nil", body, err)
	}
}

// The queue is shown with its failures, and mended: buried jobs run again or are deleted. Each action is logged. However often a
// person clicks, one click counts.
func TestQueue(t *testing.T) {
	server := serve(t, `
server.command("Pay", function(a) if not server.state("on", {}).on then error("closed, key=k3y") end end)
server.command("Open", function() server.state("on", {}).on = true end)`, func(c *config.Config) { c.Queue.MaxAttempts = 1 })
	put(t, server, `{"job":"Pay","data":{"n":1,"card":{"secret":"s3cret"}}}`)
	put(t, server, `{"job":"Nobody","data":{}}`)
	type overview struct {
		Counts struct{ Buried, Ready int }
		Failed []struct {
			Job     int
			Command string
			Reason  string
			Buried  bool
		}
		Jobs struct{ Done, Buried int }
	}
	var q overview
	testkit.WaitFor(t, "two jobs to be buried", func() bool {
		q = get[overview](t, server, "api/queue")
		return q.Counts.Buried == 2
	})
	if len(q.Failed) != 2 || q.Failed[1].Command != "Pay" || !strings.Contains(q.Failed[1].Reason, "closed, key=[redacted]") {
		t.Errorf("GET api/queue = %+v, want the failed jobs, the latest first", q)
	}
	job := ask(t, server, http.StatusOK, "GET", "api/queue/jobs?state=buried", "")
	contains(t, "the buried job", job, `"job":1,`, `\"secret\":\"[redacted]\"`)
	ask(t, server, http.StatusOK, "GET", "api/queue/jobs?id=2", "")
	ask(t, server, http.StatusNotFound, "GET", "api/queue/jobs?id=99", "")
	ask(t, server, http.StatusNotFound, "GET", "api/queue/jobs?state=delayed", "")
	for _, wrong := range []string{"", "?state=lost", "?id=x", "?state=ready&id=1"} {
		ask(t, server, http.StatusUnprocessableEntity, "GET", "api/queue/jobs"+wrong, "")
	}
	for _, wrong := range []string{``, `{}`, `{"n":-1}`, `{"n":1,"id":1}`, `{"m":1}`} {
		ask(t, server, http.StatusUnprocessableEntity, "POST", "api/queue/kick", wrong)
	}
	ask(t, server, http.StatusOK, "POST", "api/queue/delete", `{"id":2}`)
	ask(t, server, http.StatusNotFound, "POST", "api/queue/delete", `{"id":2}`)
	command(t, server, "Open", `{}`)
	contains(t, "kick", ask(t, server, http.StatusOK, "POST", "api/queue/kick", `{"id":1}`), `{"kicked":1}`)
	ask(t, server, http.StatusNotFound, "POST", "api/queue/kick", `{"id":1}`)
	testkit.WaitFor(t, "the job to be done", func() bool { return get[overview](t, server, "api/queue").Jobs.Done == 1 })
	contains(t, "the log", server.Log(), `action=kick by=127.0.0.1 job=1 jobs=1`, `action=delete by=127.0.0.1 job=2`)
}

// With console.actions = false operators look, and change nothing.
func TestReadOnly(t *testing.T) {
	server := serve(t, "", func(c *config.Config) { c.Console.Actions = false })
	for _, path := range []string{
		"api/queue/kick", "api/queue/delete", "api/reload", "api/commands/X", "api/connections/x/send", "api/connections/x/close",
	} {
		contains(t, path, ask(t, server, http.StatusForbidden, "POST", path, `{}`), "console.actions is false")
	}
	contains(t, "the overview", ask(t, server, http.StatusOK, "GET", "api/overview", ""), `"actions":false`)
	server.Set(func(c *config.Config) { c.Console.Actions = true })
	if _, err := server.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(t, server, http.StatusUnprocessableEntity, "POST", "api/queue/kick", `{}`)
}

// The log shows the latest lines from a number and a level on.
func TestLog(t *testing.T) {
	server := serve(t, `
log.info("opened", { password = "hunter2", from = "shop" })
log.warn("low stock")`, nil)
	type entry struct {
		Number int
		Record struct{ Level, Msg, Password, From string }
	}
	type list struct{ Items []entry }
	all := get[list](t, server, "api/log").Items
	at := -1
	for i, e := range all {
		if e.Record.Msg == "opened" {
			at = i
		}
	}
	if at < 0 || all[at].Record.Password != "[redacted]" || all[at].Record.From != "shop" {
		t.Fatalf("GET api/log = %+v, want the line of the script without its password", all)
	}
	for _, e := range get[list](t, server, "api/log?level=warn&after="+"1").Items {
		if e.Record.Level == "INFO" || e.Record.Level == "DEBUG" || e.Number <= 1 {
			t.Errorf("GET api/log?level=warn&after=1 has %+v, want warnings after the first line", e)
		}
	}
	ask(t, server, http.StatusUnprocessableEntity, "GET", "api/log?level=loud", "")
	ask(t, server, http.StatusUnprocessableEntity, "GET", "api/log?after=x", "")
}

// holding has a message whose handler holds the loop.
const holding = `
server.message("Hold", { protection = "none" }, function(client)
  client:send("Held")
  while true do end
end)`

// holdForever lets a handler hold the loop until the server stops, which is soon.
func holdForever(c *config.Config) {
	c.Lua.TurnTimeout = config.Duration(time.Hour)
	c.Stop.Timeout, c.Stop.Drain = config.Duration(200*time.Millisecond), config.Duration(100*time.Millisecond)
}

// While a script holds the loop, what needs no turn is answered.
func TestWhileTheLoopIsHeld(t *testing.T) {
	server := serve(t, holding, holdForever)
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Hold"}`)
	alice.Expect("Held")
	for _, path := range []string{"api/overview", "api/failures", "api/log", "api/queue"} {
		ask(t, server, http.StatusOK, "GET", path, "")
	}
	overview := get[struct {
		Ready       bool
		Generation  int
		Connections struct{ Open int }
		Bounds      []float64
		Generations []struct {
			Received map[string]int
			Handlers []struct {
				Kind, Name string
				Buckets    []int
			}
		}
		Process struct {
			Goroutines int `json:"goroutines"`
		}
	}](t, server, "api/overview")
	if !overview.Ready || overview.Generation != 1 || overview.Connections.Open != 1 || overview.Process.Goroutines == 0 ||
		len(overview.Generations) != 1 || overview.Generations[0].Received["Hold"] != 1 ||
		len(overview.Generations[0].Handlers[0].Buckets) != len(overview.Bounds)+1 {
		t.Errorf("GET api/overview = %+v, want one connection that has sent Hold", overview)
	}
}

// The names of server.redact are hidden in prompts, too.
func TestRedactInPrompts(t *testing.T) {
	server := serve(t, `server.message("Reset", { protection = "admin" }, function() end)`, func(c *config.Config) { c.Server.Redact = []string{"pin"} })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Reset","pin":4711,"token":"x","n":1}`)
	previous, _ := alice.Expect("PromptForAuthentication")["previous"].(map[string]any)
	if previous["pin"] != "[redacted]" || previous["token"] != "[redacted]" || previous["n"] != 1.0 {
		t.Errorf("the prompt repeats %v, want no pin and no token", previous)
	}
}
