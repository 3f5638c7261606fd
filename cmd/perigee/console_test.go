package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"perigee/cmd/perigee/report"
	"perigee/engine/console"
)

// perigee console prints the address of the console with a ticket, which opens a session once and needs no key.
func TestConsole(t *testing.T) {
	t.Chdir(t.TempDir())
	_, environ := runtimeDir(t)
	server := start(t, environ)
	environ = append(environ, "SERVER_PORT="+server.port)
	code, stdout, stderr := perigee(t, environ, "console")
	page, ticket, found := strings.Cut(strings.TrimSpace(stdout), "#ticket=")
	if code != 0 || !found || page != "http://127.0.0.1:"+server.port+"/console/" {
		t.Fatalf("console = %d, %q, %q, want the address with a ticket", code, stdout, stderr)
	}
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		body := strings.NewReader(`{"ticket":"` + ticket + `"}`)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+"session", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var session console.Session
		err = json.NewDecoder(answer.Body).Decode(&session)
		_ = answer.Body.Close()
		if answer.StatusCode != want || (want == http.StatusOK) != (err == nil && session.Token != "") {
			t.Errorf("POST session with the ticket = %d %+v %v, want %d", answer.StatusCode, session, err, want)
		}
	}
	if code, _, stderr := perigee(t, append(environ, "SERVER_CONTROL=off"), "console"); code != 1 || !strings.Contains(stderr, "server.control") {
		t.Errorf("console without a control socket = %d, %q, want why it fails", code, stderr)
	}
}

// Connections are listed, sent to and closed from the command line.
func TestConnectionCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	_, environ := runtimeDir(t)
	server := start(t, environ)
	environ = append(environ, "SERVER_PORT="+server.port)
	client := server.dial(t)
	var list report.Connections
	_, stdout, stderr := perigee(t, environ, "connections", "--search", "127.0.0.1", "--json")
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list.Items) != 1 || list.Items[0].Address != "127.0.0.1" {
		t.Fatalf("connections --json = %s, %s, %v, want one", stdout, stderr, err)
	}
	uuid := list.Items[0].UUID
	if _, stdout, _ := perigee(t, environ, "connections"); !strings.HasPrefix(stdout, "UUID ") || !strings.Contains(stdout, uuid) || !strings.HasSuffix(stdout, "\n1 of 1\n") {
		t.Errorf("connections = %q, want a table", stdout)
	}
	if _, stdout, _ := perigee(t, environ, "connections", "--user", "nobody"); !strings.HasSuffix(stdout, "\n0 of 1\n") {
		t.Errorf("connections --user nobody = %q, want none", stdout)
	}
	for _, row := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{`send |` + uuid + `|Notice|{"text":"closing at noon"}`, 0, "sent Notice to " + uuid, ""},
		{`send |` + uuid, 2, "", "the name of the message is missing"},
		{`send |` + uuid + `|Notice|{`, 2, "", "is not JSON"},
		{`send |nobody|Notice`, 1, "", "there is no open connection nobody"},
		{`close`, 2, "", "the UUID of the connection is missing"},
		{`close |` + uuid + `|--code|x`, 2, "", "is not a whole number"},
		{`close |` + uuid + `|--code|1001`, 1, "", "code must be 1000, or from 3000 to 4999"},
		{`close |` + uuid + `|--code|4000|--reason|see the rules`, 0, "closed " + uuid, ""},
		{`close |` + uuid, 1, "", "there is no open connection"},
	} {
		words := strings.Split(row.args, "|")
		words[0] = strings.TrimSpace(words[0])
		code, stdout, stderr := perigee(t, environ, words...)
		if code != row.code || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) {
			t.Errorf("perigee %s = %d, %q, %q, want %d, %q, %q", row.args, code, stdout, stderr, row.code, row.stdout, row.stderr)
		}
	}
	client.await("closing at noon")
}
