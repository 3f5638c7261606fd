package engine_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/engine/trace"
)

// traced is a manager whose messages are sent to one client, to a topic and to everybody, and end in all ways.
const traced = `
local base = require("manager")
local server = require("server")
local app = base:extend()
function app:boot()
  base.boot(self)
  server.register("hall", { history = 5 })
  local hall = server.topic("hall")
  local message = function(name, handler, options)
    options = options or {}
    options.protection = options.protection or "none"
    server.message(name, options, handler)
  end
  message("Ping", function(client, m) client:send("Pong", { number = m.number }) end)
  message("Ring", function(client)
    hall:send("Rang", { token = "s3cr3t-rang" })
    server.broadcast("Heard")
    client:send("Done", { deep = { { Key = "s3cr3t-deep" } } })
  end)
  message("Wait", function(client) server.sleep(1) client:send("Waited") end)
  message("Fail", function() error("a planted fault") end)
  message("Refuse", function() server.refuse("not today: token=s3cr3t-14") end)
  message("Admins", function() end, { protection = "admin" })
  message("Checked", function() end, { schema = { required = { "prize" } } })
  message("SignIn", function(client) client.user = "ada" client:send("SignedIn") end)
  message("Join", function(client) hall:subscribe(client) end)
end
return app
`

// startTraced runs a server with the manager traced.
func startTraced(t *testing.T) *enginetest.Server {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"app.lua": traced})
	return enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = dir, "app"
		c.Limits.MessagesPerSecond = 0
		c.Server.Redact = []string{"pin"}
	})
}

// tap begins a trace that ends with the test.
func tap(tb testing.TB, server *enginetest.Server, f trace.Filter) *trace.Tap {
	tb.Helper()
	tap, err := server.Control.Trace(f, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(tap.Close)
	return tap
}

// nextEvent returns the next event of a trace that is not about what comes by the clock.
func nextEvent(t *testing.T, tap *trace.Tap) trace.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	for {
		e, err := tap.Next(ctx)
		if err != nil {
			t.Fatalf("Next = %v, want an event", err)
		}
		if !enginetest.ComesByClock(e.Name) {
			return e
		}
	}
}

// brief describes an event without its time and text.
func brief(e trace.Event) string {
	words := []string{e.Kind, e.Name}
	if e.Topic != "" {
		words = append(words, "topic", e.Topic)
	}
	if e.Everybody {
		words = append(words, "everybody")
	}
	if e.User != "" {
		words = append(words, "user", e.User)
	}
	if e.Exception != "" {
		words = append(words, e.Exception)
	}
	return strings.Join(words, " ")
}

// The trace of a connection shows what came, what was sent and the outcome, in the order of the wire.
func TestTraceOrder(t *testing.T) {
	server := startTraced(t)
	alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
	watched := tap(t, server, trace.Filter{Connection: alice.UUID})
	bob.Send(`{"name":"Ring"}`) // alice is not in the hall yet
	alice.Expect("Heard")
	alice.Send(`{"name":"Join"}`)
	var received []enginetest.Frame
	receive := func(n int) { // what does not come by the clock
		for n > 0 {
			if frame := alice.Next(); !enginetest.ComesByClock(frame.Name()) {
				received = append(received, frame)
				n--
			}
		}
	}
	receive(2) // the subscriptions, and the history
	alice.Send(`{"name":"Ring"}`)
	receive(3)
	for _, message := range []string{"Wait", "Fail", "Refuse", "Admins", "Checked", "Nobody", "SignIn"} {
		alice.Send(`{"name":"` + message + `"}`)
		receive(1)
	}
	alice.Send(`[]`)
	receive(1)
	want := []string{
		"out Heard everybody",
		"in Join", "handled Join", "out UpdateSubscriptions", "out Rang topic hall",
		"in Ring", "out Rang topic hall", "out Heard everybody", "out Done", "handled Ring",
		"in Wait", "out Waited", "handled Wait",
		"in Fail", "out MessageException", "failed Fail",
		"in Refuse", "out MessageException", "refused Refuse Refused",
		"in Admins", "out PromptForAuthentication", "prompted Admins",
		"in Checked", "out MessageException", "refused Checked InvalidFields",
		"in Nobody", "out MessageException", "refused Nobody UnknownMessage",
		"in SignIn", "out SignedIn user ada", "handled SignIn user ada",
		"in  user ada", "out MessageException user ada", "refused  user ada InvalidMessage",
	}
	var got []string
	var sent []any
	for range want {
		e := nextEvent(t, watched)
		got = append(got, brief(e))
		if e.Kind == trace.Out {
			var frame enginetest.Frame
			if err := json.Unmarshal([]byte(e.Text), &frame); err != nil {
				t.Errorf("the text of %s is %q, %v, want JSON", brief(e), e.Text, err)
			}
			sent = append(sent, frame["id"])
		}
		if e.Kind == trace.Failed && !strings.Contains(server.Log(), "ref="+e.Ref) {
			t.Errorf("failed with ref %q, want that of the log", e.Ref)
		}
		if e.Kind == trace.Handled && e.Name == "Wait" && e.Took < 0.001 {
			t.Errorf("Wait took %v s, want 1 ms at least", e.Took)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the trace is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, frame := range received {
		if frame["id"] != sent[i+1] { // the first one is Heard
			t.Errorf("frame %d is %v, want the one that the trace has there", i, frame)
		}
	}
}

// A filter by user, message or topic takes what it names, and a publication once.
func TestTraceFilters(t *testing.T) {
	server := startTraced(t)
	clients := []*enginetest.Client{server.Dial(t, "alice"), server.Dial(t, "bob"), server.Dial(t, "carol")}
	for i, c := range clients {
		c.Send(`{"name":"Join"}`)
		c.Expect("UpdateSubscriptions")
		if i < 2 {
			c.Send(`{"name":"SignIn"}`)
			c.Expect("SignedIn")
		}
	}
	user, message, topic := tap(t, server, trace.Filter{User: "ada"}), tap(t, server, trace.Filter{Message: "Ring"}), tap(t, server, trace.Filter{Topic: "hall"})
	both := tap(t, server, trace.Filter{Topic: "hall", Connection: clients[2].UUID})
	if _, err := server.Control.Trace(trace.Filter{}, 0); err == nil {
		t.Error("a fifth trace began, want an error")
	}
	clients[2].Send(`{"name":"Ring"}`)
	clients[2].Expect("Rang")
	clients[0].Send(`{"name":"Ping"}`)
	for _, row := range []struct {
		tap  *trace.Tap
		want []string
	}{
		{user, []string{"out Rang topic hall", "out Heard everybody", "in Ping user ada", "out Pong user ada", "handled Ping user ada"}},
		{message, []string{"in Ring", "handled Ring"}},
		{topic, []string{"out Rang topic hall"}},
		{both, []string{"out Rang topic hall"}},
	} {
		var got []string
		for range row.want {
			got = append(got, brief(nextEvent(t, row.tap)))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("the trace of %+v is %q, want %q", row.tap.Filter(), got, row.want)
		}
	}
}

// Nobody reads the trace: the server answers all the same, and the next event says how many are missing.
func TestTraceSlowReader(t *testing.T) {
	server := startTraced(t)
	alice := server.Dial(t, "alice")
	watched := tap(t, server, trace.Filter{Connection: alice.UUID, Message: "Ping"})
	const pings, kept = 700, 1000 // each is two events
	for range pings {
		alice.Send(`{"name":"Ping"}`)
		alice.Expect("Pong")
	}
	for range kept {
		if e := nextEvent(t, watched); e.Dropped != 0 {
			t.Fatalf("%s says that %d are missing, want 0", brief(e), e.Dropped)
		}
	}
	alice.Send(`{"name":"Ping"}`)
	if e := nextEvent(t, watched); e.Dropped != 2*pings-kept {
		t.Errorf("%s says that %d are missing, want %d", brief(e), e.Dropped, 2*pings-kept)
	}
}

// No secret comes out, whether it came in, was sent, repeated, kept in a history, or lets a client come back. A message is clipped.
func TestTraceHidesSecrets(t *testing.T) {
	server := startTraced(t)
	watched := tap(t, server, trace.Filter{})
	alice := server.DialResumable(t, "alice")
	messages := []string{
		`{"name":"Ring"}`,
		`{"name":"Join"}`,
		`{"name":"Authenticate","password":"s3cr3t-1"}`,
		`{"name":"Admins","a":[{"PassWord":{"x":"s3cr3t-2"}}],"authorization":["s3cr3t-3"]}`,
		`{"name":"Nobody","secret":"s3cr3t-4","token":"s3cr3t-5"}`,
		`{"name":"Nobody","password":s3cr3t-6}`,
		`{"name":"Nobody","password":"s3cr3t-7"`,
		`[{"password":"s3cr3t-8"}]`,
		`"password=s3cr3t-11"`,
		`{"name":"Nobody","PIN":"s3cr3t-12","text":"{\"token\":\"s3cr3t-13\"}"}`,
		`{"name":"Nobody","text":"` + strings.Repeat("x", 10<<10) + `","key":"s3cr3t-9"}`,
		`{"name":"Refuse"}`,
		`{"name":"Checked","password":"s3cr3t-10"}`,
	}
	for _, message := range messages {
		alice.Send(message)
	}
	hidden := 0
	for outcomes := 0; outcomes < len(messages); {
		e := nextEvent(t, watched)
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(line); strings.Contains(text, "s3cr3t") || strings.Contains(text, alice.Token) || len(text) > 5<<10 {
			t.Errorf("the trace has %s, want no secret, and no more than 5 KiB", line)
		}
		hidden += strings.Count(e.Text, "[redacted]")
		if e.Kind != trace.In && e.Kind != trace.Out {
			outcomes++
		}
	}
	if hidden < 8 {
		t.Errorf("the trace hides %d values, want 8 at least", hidden)
	}
}
