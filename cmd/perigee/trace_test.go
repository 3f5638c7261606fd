package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"

	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/engine/trace"
)

// runTrace runs perigee trace until the test or end ends it, and returns its screens once it traces.
func runTrace(t *testing.T, environ []string, args ...string) (stdout *screen, end func() (code int, stderr string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr := newScreen(), newScreen()
	code := 0
	var running sync.WaitGroup
	running.Go(func() { code = run(ctx, append([]string{"perigee", "trace"}, args...), environ, stdout, stderr) })
	end = func() (int, string) {
		cancel()
		running.Wait()
		return code, stderr.String()
	}
	t.Cleanup(func() { end() })
	stderr.await(t, "traces until Ctrl-C")
	return stdout, end
}

// established takes the first frame of a client and returns the UUID of its connection.
func (c client) established() (uuid string) {
	c.t.Helper()
	_, frame, err := c.socket.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	match := regexp.MustCompile(`"uuid":"([^"]+)"`).FindSubmatch(frame)
	if match == nil {
		c.t.Fatalf("the first frame is %s, want a uuid", frame)
	}
	return string(match[1])
}

// tracedExample returns the words of the command and the output that the documents show for perigee trace. No other block of text has
// a test.
func tracedExample(t *testing.T) (command []string, output string) {
	t.Helper()
	for _, document := range enginetest.Guides(t) {
		for _, section := range document.Sections {
			commands, outputs := section.All("sh"), section.All("text")
			switch {
			case len(outputs) == 0:
			case len(outputs) == 1 && len(commands) == 1 && command == nil && strings.HasPrefix(commands[0].Text, "perigee trace "):
				command, output = strings.Fields(commands[0].Text), outputs[0].Text
			default:
				t.Errorf("%s: no test tries this text", outputs[0].Place())
			}
		}
	}
	if command == nil {
		t.Fatal("no document shows perigee trace and what it prints")
	}
	return command, output
}

// perigee trace prints the example of the document, apart from times, IDs and durations, and ends with Ctrl-C.
func TestTrace(t *testing.T) {
	command, want := tracedExample(t)
	_, environ := runtimeDir(t)
	server := start(t, environ)
	alice := server.dial(t)
	uuid := alice.established()
	command[len(command)-1] = uuid
	stdout, end := runTrace(t, environ, append(command[2:], "-P", server.port)...)
	pattern := regexp.QuoteMeta(want)
	for _, varies := range []struct{ example, pattern string }{
		{`3b7a8a2c-5f2e-4a57-9d0c-0d8e3f6a1b11`, uuid},
		{`\d\d:\d\d:\d\d\\\.\d{3} `, `\d\d:\d\d:\d\d\.\d{3} `},
		{`"id":"[0-9a-f-]{36}"`, `"id":"[0-9a-f-]{36}"`},
		{`"timestamp":[\d\\.]+`, `"timestamp":[\d.]+`},
		{`in \d[^\n]*`, `in \d\S*`},
		{`\n`, `\n(?:.* everybody < .*\n)*`}, // the list of connections comes by the clock
	} {
		pattern = regexp.MustCompile(varies.example).ReplaceAllLiteralString(pattern, varies.pattern)
	}
	alice.send(`{"name":"Authenticate","password":"wrong"}`)
	alice.await("PromptForAuthentication")
	alice.send(`{"name":"Authentciate"}`)
	stdout.await(t, `^(?:.* everybody < .*\n)*`+pattern)
	if code, stderr := end(); code != 0 || strings.Contains(stderr, "perigee: ") {
		t.Errorf("trace = %d, %q after Ctrl-C, want 0", code, stderr)
	}
}

// With --json each event is a line. A fifth trace is refused, and a server that stops ends a trace.
func TestTraceJSON(t *testing.T) {
	_, environ := runtimeDir(t)
	server := start(t, environ)
	stdout, end := runTrace(t, environ, "--json", "--message", "Nobody", "-P", server.port)
	for range 3 {
		runTrace(t, environ, "-P", server.port)
	}
	code, _, stderr := perigee(t, environ, "trace", "-P", server.port)
	if code != 1 || !strings.Contains(stderr, "4 traces are running; end one of them first") {
		t.Errorf("a fifth trace = %d, %q, want 1 and that 4 are running", code, stderr)
	}
	alice := server.dial(t)
	alice.send(`{"name":"Nobody"}`)
	stdout.await(t, `"refused"[^\n]*\n`)
	var kinds []string
	for line := range strings.Lines(stdout.String()) {
		var e trace.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Name != "Nobody" {
			t.Errorf("a line is %q, %v, want an event of Nobody", line, err)
		}
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); got != "in refused" {
		t.Errorf("the events are %q, want in refused", got)
	}
	if code, _, stderr := perigee(t, environ, "stop", "-P", server.port); code != 0 {
		t.Errorf("stop = %d, %q, want 0", code, stderr)
	}
	if code := testkit.Receive(t, server.ended, "the end of the server"); code != 0 {
		t.Errorf("start ended with %d, want 0", code)
	}
	end()
}

// perigee start --trace prints the same, without secrets.
func TestStartTrace(t *testing.T) {
	server := start(t, nil, "--trace")
	alice := server.dial(t)
	uuid := alice.established()
	alice.send(`{"name":"Authenticate","password":"password"}`)
	server.stdout.await(t, uuid+` > {"name":"Authenticate","password":"\[redacted\]"}\n(?:.*\n)*.*`+uuid+` = Authenticate handled in \S+\n`)
	if text := server.stdout.String(); strings.Contains(text, `"password":"password"`) {
		t.Errorf("the server prints %s, want no password", text)
	}
}
