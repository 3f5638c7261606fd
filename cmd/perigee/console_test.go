package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

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
