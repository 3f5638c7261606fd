package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// page is a page of a list.
type page struct {
	Items []struct{ UUID, Name, User, Address string }
	Next  string
	Total int
}

// names lets clients give themselves a name and a user, and subscribe.
const names = `
server.register("room/1", { history = 5, presence = true })
server.register("empty")
server.message("Iam", { protection = "none" }, function(client, m)
  client.name, client.user, client.secret, client.color = m.who, m.user, "s3cret", "red"
  server.topic("room/1"):subscribe(client)
  client:send("Known")
end)
server.every(3600, "Sweep")
server.command("Sweep", function(a) return { token = "t0ken", n = a and a.n } end)`

// await returns the next message with a name, whatever comes before it.
func await(c *enginetest.Client, name string) enginetest.Frame {
	for {
		if f := c.Next(); f.Name() == name {
			return f
		}
	}
}

// introduce connects a client that gives itself a name and a user.
func introduce(t *testing.T, server *enginetest.Server, name, user string) *enginetest.Client {
	t.Helper()
	c := server.Dial(t, name)
	c.Send(fmt.Sprintf(`{"name":"Iam","who":%q,"user":%q}`, name, user))
	await(c, "Known")
	return c
}

// Connections are listed by pages and found by what is known of them; there are as many entries as connections, each once.
func TestConnections(t *testing.T) {
	server := serve(t, names, func(c *config.Config) { c.Server.MaxConnections, c.Roster.Mode = 0, config.RosterOff })
	n := testkit.Scale(80, 1000)
	for i := range n {
		server.Dial(t, fmt.Sprint("client ", i))
	}
	alice := introduce(t, server, "Alice <b>", "42")
	seen := map[string]bool{}
	for next, pages := "", 0; ; pages++ {
		p := get[page](t, server, "api/connections?limit=40&after="+next)
		for _, c := range p.Items {
			if seen[c.UUID] {
				t.Fatalf("the connection %s is listed twice", c.UUID)
			}
			seen[c.UUID] = true
		}
		if next = p.Next; p.Total != n+1 || pages > n {
			t.Fatalf("page %d = %+v, want a total of %d", pages, p, n+1)
		}
		if next == "" {
			break
		}
	}
	if len(seen) != n+1 {
		t.Errorf("%d connections are listed, want %d", len(seen), n+1)
	}
	for _, query := range []string{"search=alice", "search=" + alice.UUID, "user=42", "search=" + url.QueryEscape("<B>")} {
		if p := get[page](t, server, "api/connections?"+query); len(p.Items) != 1 || p.Items[0].UUID != alice.UUID || p.Next != "" {
			t.Errorf("GET api/connections?%s = %+v, want Alice", query, p)
		}
	}
	if p := get[page](t, server, "api/connections?search=nobody"); len(p.Items) != 0 || p.Items == nil || p.Total != n+1 {
		t.Errorf("GET api/connections?search=nobody = %+v, want none, of all", p)
	}
	for _, wrong := range []string{"limit=0", "limit=501", "limit=x"} {
		ask(t, server, http.StatusUnprocessableEntity, "GET", "api/connections?"+wrong, "")
	}
}

// All about a connection, its user, its topic, the timers and the registrations is shown, without secrets.
func TestDetails(t *testing.T) {
	server := serve(t, names, nil)
	alice := introduce(t, server, "Alice", "42")
	introduce(t, server, "Phone", "42")
	detail := ask(t, server, http.StatusOK, "GET", "api/connections/"+alice.UUID, "")
	contains(t, "the detail", detail, `"name":"Alice"`, `"user":"42"`, `"color":"red"`, `"secret":"[redacted]"`, `"subscriptions":["room/1"]`, `"path":"/"`, `"messages":1`)
	contains(t, "the users", ask(t, server, http.StatusOK, "GET", "api/users", ""), `{"items":[{"user":"42","connections":2,"away":0}],"total":1}`)
	contains(t, "the topics", ask(t, server, http.StatusOK, "GET", "api/topics?limit=1", ""), `"name":"empty"`, `"next":"empty","total":2`)
	contains(t, "the topics", ask(t, server, http.StatusOK, "GET", "api/topics?after=empty", ""), `"name":"room/1"`, `"subscribers":2`, `"history":5`, `"presence":true`)
	contains(t, "the topic", ask(t, server, http.StatusOK, "GET", "api/topics/room/1", ""), alice.UUID, `"users":["42"]`)
	contains(t, "the timers", ask(t, server, http.StatusOK, "GET", "api/timers", ""), `"name":"Sweep"`, `"every":3.6`, `"paused":false`)
	contains(t, "the routes", ask(t, server, http.StatusOK, "GET", "api/routes", ""), `"name":"Iam","protection":"none"`, `"scripts/app.lua:`)
	for _, missing := range []string{"connections/nobody", "topics/nothing"} {
		ask(t, server, http.StatusNotFound, "GET", "api/"+missing, "")
	}
}

// An operator sends to a client, closes it, and runs a command. Each action is logged. Impatient clicks break nothing.
func TestActions(t *testing.T) {
	server := serve(t, names, nil)
	alice := introduce(t, server, "Alice", "42")
	at := "api/connections/" + alice.UUID
	ask(t, server, http.StatusOK, "POST", at+"/send", `{"name":"Notice","fields":{"text":"noon","name":"Forged","list":[1,{"a":null}]}}`)
	if f := await(alice, "Notice"); f["text"] != "noon" || fmt.Sprint(f["list"]) != "[1 map[a:<nil>]]" {
		t.Errorf("alice < %v, want the fields, and the name of the message", f)
	}
	for _, wrong := range []string{``, `{}`, `{"name":"X","fields":[]}`} {
		ask(t, server, http.StatusUnprocessableEntity, "POST", at+"/send", wrong)
	}
	for _, wrong := range []string{``, `{"code":1001}`, `{"code":"x"}`} {
		ask(t, server, http.StatusUnprocessableEntity, "POST", at+"/close", wrong)
	}
	contains(t, "the result", ask(t, server, http.StatusOK, "POST", "api/commands/Sweep", `{"n":7}`), `"token":"[redacted]"`, `"n":7`)
	ask(t, server, http.StatusNotFound, "POST", "api/commands/Nothing", `{}`)
	closed, missing := 0, 0
	var mu sync.Mutex
	var clicks sync.WaitGroup
	for range 8 {
		clicks.Go(func() {
			answer, _ := request(t, server, "POST", at+"/close", `{"code":4000,"reason":"see the rules"}`, "Authorization", "Bearer "+key)
			mu.Lock()
			defer mu.Unlock()
			switch answer.StatusCode {
			case http.StatusOK:
				closed++
			case http.StatusNotFound:
				missing++
			}
		})
	}
	clicks.Wait()
	if closed != 1 || missing != 7 {
		t.Errorf("of 8 clicks %d close and %d find nothing, want 1 and 7", closed, missing)
	}
	if code, reason := alice.ExpectClose(); code != 4000 || reason != "see the rules" {
		t.Errorf("alice is closed with %d %q, want 4000 and the reason", code, reason)
	}
	ask(t, server, http.StatusNotFound, "POST", at+"/send", `{"name":"Notice"}`)
	contains(t, "the log", server.Log(), "action=send by=127.0.0.1 uuid="+alice.UUID+" message=Notice",
		"action=close by=127.0.0.1 uuid="+alice.UUID+" code=4000", "action=command by=127.0.0.1 command=Sweep")
}

// A reload is compared first, then made; one that fails says why, and the previous scripts keep running. Clicks at the same time share
// reloads.
func TestReload(t *testing.T) {
	server := serve(t, names, nil)
	file := filepath.Join(server.Config.Lua.Path, "app.lua")
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(old, replacement string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Replace(string(source), old, replacement, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(`server.message("Iam"`, `server.message("Iama"`)
	for _, method := range []string{"GET", "POST"} {
		contains(t, method+" reload", ask(t, server, http.StatusOK, method, "api/reload", ""), `{"kind":"message","name":"Iama","what":"added"`)
	}
	rewrite(`server.message("Iam"`, `server.message(nil`)
	for _, method := range []string{"GET", "POST"} {
		contains(t, method+" reload of a mistake", ask(t, server, http.StatusUnprocessableEntity, method, "api/reload", ""), `"exception":"ReloadFailed"`, "scripts/app.lua:")
	}
	rewrite("", "")
	var clicks sync.WaitGroup
	for range 6 {
		clicks.Go(func() { ask(t, server, http.StatusOK, "POST", "api/reload", "") })
	}
	clicks.Wait()
	if n := server.Control.Generation(); n < 3 || n > 8 {
		t.Errorf("after one reload and six clicks generation %d runs, want one that all clicks have reached", n)
	}
}

// While a script holds the loop, what needs a turn says so soon.
func TestBusy(t *testing.T) {
	server := serve(t, holding, holdForever)
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Hold"}`)
	alice.Expect("Held")
	for _, path := range []string{"api/connections", "api/users", "api/topics", "api/timers", "api/routes", "api/state", "api/state/shop", "api/waiting", "api/connections/" + alice.UUID} {
		contains(t, path, ask(t, server, http.StatusServiceUnavailable, "GET", path, ""), `"exception":"Busy"`)
	}
}

// The state is shown by path, with the keys of what is too large, and without secrets; and so are handlers that wait.
func TestState(t *testing.T) {
	server := serve(t, `
local shop = server.state("shop", { prizes = { "mug", "cup" }, owner = { password = "hunter2", name = "Eve" }, url = "/x?token=abc" })
server.message("Fill", { protection = "none" }, function(client)
  for i = 1, 1000 do shop["item " .. i] = string.rep("x", 400) end
  client:send("Filled")
  server.sleep(60000)
end)`, nil)
	contains(t, "the states", ask(t, server, http.StatusOK, "GET", "api/state", ""), `"name":"shop"`)
	contains(t, "the shop", ask(t, server, http.StatusOK, "GET", "api/state/shop", ""), `"prizes":["mug","cup"]`, `"password":"[redacted]"`, `"url":"/x?token=[redacted]"`)
	for path, want := range map[string]string{"prizes.2": `{"value":"cup"}`, "owner.name": `{"value":"Eve"}`, "owner.password": `{"value":"[redacted]"}`} {
		contains(t, path, ask(t, server, http.StatusOK, "GET", "api/state/shop?path="+path, ""), want)
	}
	ask(t, server, http.StatusNotFound, "GET", "api/state/shop?path=owner.age", "")
	ask(t, server, http.StatusNotFound, "GET", "api/state/nothing", "")
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Fill"}`)
	await(alice, "Filled")
	contains(t, "the full shop", ask(t, server, http.StatusOK, "GET", "api/state/shop", ""), `"value":null`, `"problem":"the text is larger than`, `"key":"item 1","type":"string"`, `"total":1003`)
	contains(t, "what waits", ask(t, server, http.StatusOK, "GET", "api/waiting", ""), `{"items":[{"name":"message Fill","count":1,"longest":`)
	contains(t, "the processes", ask(t, server, http.StatusOK, "GET", "api/processes", ""), `{"items":[],"total":0}`)
}
