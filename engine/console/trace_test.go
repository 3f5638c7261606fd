package console_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/engine/trace"
)

// startStream begins a stream, which ends with the test. An empty line in it is left out.
func startStream(t *testing.T, server *enginetest.Server, path string) (lines <-chan string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.Status.Console+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("GET %s = %v, want an answer", path, err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("GET %s = %s %s, want lines of JSON", path, answer.Status, answer.Header.Get("Content-Type"))
	}
	received := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(received)
		for scanner := bufio.NewScanner(answer.Body); scanner.Scan(); {
			if line := scanner.Text(); line != "" {
				received <- line
			}
		}
	}()
	t.Cleanup(func() {
		_ = answer.Body.Close() // it may have ended
		<-done
	})
	return received
}

// event reads a line of a stream.
func event(t *testing.T, lines <-chan string) (e trace.Event, line string) {
	t.Helper()
	line = testkit.Receive(t, lines, "a line of the trace")
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("a line is %q, %v, want JSON", line, err)
	}
	return e, line
}

// The console streams what perigee trace prints, for longer than a request may take to be read, until the server stops.
func TestTrace(t *testing.T) {
	const readTime = 2 * time.Second
	boot := `server.message("Ping", { protection = "none" }, function(client) client:send("Pong") end)`
	server := serve(t, boot, func(c *config.Config) { c.Limits.HandshakeTimeout = config.Duration(readTime) })
	alice := server.Dial(t, "alice")
	lines := startStream(t, server, "api/trace?message=Ping&connection="+alice.UUID)
	began := time.Now()
	for over := false; !over; {
		over = time.Since(began) > readTime
		alice.Send(`{"name":"Ping","password":"s3cr3t"}`)
		alice.Expect("Pong")
		for _, want := range []string{trace.In, trace.Handled} {
			e, line := event(t, lines)
			if e.Kind != want || e.Name != "Ping" || e.Connection != alice.UUID || strings.Contains(line, "s3cr3t") {
				t.Fatalf("the event is %s, want %s of Ping without the password", line, want)
			}
		}
		time.Sleep(readTime / 20) // the client sends no faster than it may
	}
	if err := server.Stop(); err != nil {
		t.Errorf("Stop = %v, want no error", err)
	}
	if _, line := event(t, lines); line != `{"error":"the server is stopping"}` {
		t.Errorf("the last line is %s, want that the server stops", line)
	}
}

// Without the key there is no trace, and a changed key ends one. A wrong parameter and a fifth trace are refused.
func TestTraceRefused(t *testing.T) {
	server := serve(t, "", nil)
	if answer, text := request(t, server, "GET", "api/trace", ""); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET api/trace without a key = %d %s, want 401", answer.StatusCode, text)
	}
	contains(t, "the answer", ask(t, server, http.StatusUnprocessableEntity, "GET", "api/trace?client=1", ""), "InvalidArguments", `there is no \"client\"`)
	var all []<-chan string
	for range 4 {
		all = append(all, startStream(t, server, "api/trace"))
	}
	contains(t, "the answer", ask(t, server, http.StatusServiceUnavailable, "GET", "api/trace", ""), "4 traces are running")
	server.Set(func(c *config.Config) { c.Server.Key = "staple of batteries" })
	if _, err := server.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, lines := range all {
		if _, line := event(t, lines); line != `{"error":"the admin key has changed"}` {
			t.Errorf("the last line is %s, want that the key has changed", line)
		}
	}
}
