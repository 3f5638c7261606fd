package console_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/testkit"
)

// secretive has secrets wherever an application can have them. Each contains CANARY.
const secretive = `
log.warn("signed in", { token = "CANARY log", nested = { secret = "CANARY nested" }, url = "/x?key=CANARYurl&a=1" })
server.state("shop", { password = "CANARY state", list = { { Key = "CANARY list" } }, url = "/?token=CANARYstate", fine = "visible" })
server.state("secret", { value = "CANARY table" })
server.register("room")
local function fill(client)
  client.token, client.profile = "CANARY field", { secret = "CANARY profile", pin = 1 }
  client.settings = '{"password":"CANARY text"}'
end



server.message("Buy", { protection = "none" }, function(client, m)
  fill(client)
  error("cannot sign in with password=CANARYerror, Authorization: Bearer CANARYbearer")
end)
server.command("Pay", function(a) error("refused: token=CANARYreason") end)



server.command("Result", function() return { token = "CANARY result", a = '{"key":"CANARY inner"}' } end)`

// secretMessage has secrets in all forms that a message can have them.
const secretMessage = `{"name":"Buy","password":"CANARY01","Token":"CANARY02","deep":[{"KEY":{"a":"CANARY03"}}],"p\u0061ssword":"CANARY04",` +
	`"json":"{\"secret\":\"CANARY05\",\"b\":\"{\\\"pin\\\":\\\"CANARY06\\\"}\"}","php":"O:3:\"Job\":1:{s:8:\"password\";s:8:\"CANARY07\";}",` +
	`"url":"https://x/?token=CANARY08&a=1","header":"Authorization: Bearer CANARY09","pin":"CANARY10","Cookie":"a=CANARY11"}`

// No answer of the API has a secret, whatever place and form it has. Each request of the API is asked.
func TestSecrets(t *testing.T) {
	server := serve(t, secretive, func(c *config.Config) {
		c.Server.Redact, c.Queue.MaxAttempts = []string{"pin"}, 1
	})
	alice := server.Dial(t, "alice")
	alice.Send(secretMessage)
	await(alice, "MessageException")
	put(t, server, `{"job":"Pay","data":{"secret":"CANARY20","j":"{\"key\":\"CANARY21\"}","p":"O:3:\"A\":1:{s:3:\"pin\";s:8:\"CANARY22\";}"}}`)
	put(t, server, `password=CANARY23`)
	testkit.WaitFor(t, "two jobs to be buried", func() bool {
		return get[struct{ Counts struct{ Buried int } }](t, server, "api/queue").Counts.Buried == 2
	})
	request(t, server, "GET", "api/overview", "", "Authorization", "Bearer CANARY guess")
	request(t, server, "POST", "session", `{"key":"CANARY guess"}`)
	paths := map[string][]string{
		"GET /api/connections/{uuid}":        {"api/connections/" + alice.UUID},
		"GET /api/topics/{name...}":          {"api/topics/room"},
		"GET /api/queue/jobs":                {"api/queue/jobs?id=1", "api/queue/jobs?id=2"},
		"GET /api/state/{name...}":           {"api/state/shop", "api/state/shop?path=password", "api/state/shop?path=list.1.Key", "api/state/secret", "api/state/secret?path=value"},
		"POST /api/commands/{name}":          {"api/commands/Result", "api/commands/Pay"},
		"POST /api/connections/{uuid}/send":  {"api/connections/" + alice.UUID + "/send"},
		"POST /api/connections/{uuid}/close": {"api/connections/" + alice.UUID + "/close"},
	}
	for _, f := range get[struct{ Items []struct{ Ref string } }](t, server, "api/failures").Items {
		paths["GET /api/failures/{ref}"] = append(paths["GET /api/failures/{ref}"], "api/failures/"+f.Ref)
	}
	source, err := os.ReadFile("api.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, pattern := range regexp.MustCompile(`"((?:GET|POST) /api/[^"]+)":`).FindAllStringSubmatch(string(source), -1) {
		method, path, _ := strings.Cut(pattern[1], " /")
		known := paths[pattern[1]]
		if len(known) == 0 && strings.Contains(path, "{") {
			t.Errorf("%s is not asked for secrets", pattern[1])
		}
		for _, path := range append(known, strings.TrimSuffix(path, "/{")) {
			if strings.Contains(path, "{") {
				continue
			}
			asked++
			answer, text := request(t, server, method, path, `{}`, "Authorization", "Bearer "+key)
			if at := strings.Index(text, "CANARY"); at >= 0 || strings.Contains(text, key) {
				t.Errorf("%s %s = %d ...%s, want no secret", method, path, answer.StatusCode, text[max(0, at-100):])
			}
			if answer.StatusCode >= http.StatusInternalServerError && path != "api/commands/Pay" {
				t.Errorf("%s %s = %d %s, want an answer", method, path, answer.StatusCode, text)
			}
		}
	}
	if asked < 25 {
		t.Errorf("%d requests were asked, want all", asked)
	}
	contains(t, "the shop", ask(t, server, http.StatusOK, "GET", "api/state/shop", ""), `"fine":"visible"`)
}
